"""Models of perception as Ray Serve deployments, for evaluations on a cluster.

One deployment a model: calls are batched, replicas come and go with the load (down to none), each
takes a share of a GPU, and one that is not healthy is replaced::

    deploy("sam2.1-small", num_gpus=0.25, max_replicas=8, address="auto")

`ServedAdapter` has the shape of the model itself, so the perception service of a machine without a
GPU can be given it in place of one (entry-point group ``spatialclaw.models``).
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from spatialclaw.errors import PerceptionError
from spatialclaw.evaluation.ray_engine import connect_ray
from spatialclaw.perception.adapter import Adapter, Call, ModelInfo, Output
from spatialclaw.primitives.errors import PrimitiveError

__all__ = ["ServeOptions", "ServedAdapter", "deploy", "run_batch"]

Make = Callable[[], Adapter]
Outcome = Output | BaseException


@dataclass(frozen=True)
class ServeOptions:
    """How a model is deployed.

    Attributes:
        num_gpus: GPUs of each replica; fractions share one. 0 for none.
        num_cpus: CPUs of each replica.
        min_replicas: Replicas kept without load; 0 scales to zero.
        max_replicas: Replicas under the highest load.
        ongoing: Calls that a replica is to have under way; more of them make more replicas.
        max_batch: Calls answered together.
        batch_wait: Seconds that a call waits for others to come.
        idle_seconds: Without calls for so long, replicas go.
        health_seconds: Between two checks of health.
    """

    num_gpus: float = 0.25
    num_cpus: float = 1.0
    min_replicas: int = 0
    max_replicas: int = 4
    ongoing: int = 8
    max_batch: int = 8
    batch_wait: float = 0.02
    idle_seconds: float = 300.0
    health_seconds: float = 10.0


def run_batch(adapter: Adapter, calls: Sequence[Call]) -> list[Outcome]:
    """Answers calls of any methods, those of the same method together; errors come as values.

    A batch that does not fit into memory is halved.
    """
    from spatialclaw.perception.worker import answer

    groups: dict[str, list[int]] = defaultdict(list)
    for position, call in enumerate(calls):
        groups[call.method].append(position)
    outcomes: dict[int, Outcome] = {}
    for positions in groups.values():
        answers, _ = answer(adapter, [calls[i] for i in positions])
        outcomes.update(zip(positions, answers, strict=True))
    return [outcomes[i] for i in range(len(calls))]


def deploy(
    model: str,
    *,
    make: Make | None = None,
    options: ServeOptions | None = None,
    address: str | None = None,
) -> Any:
    """Deploys a model on a cluster, or changes how it is deployed; returns its handle.

    Args:
        model: Its name, also that of the application.
        make: Makes its adapter; the one that the registry has by that name when None.
        options: How.
        address: Of the cluster; None for one on this machine, started when there is none.

    Raises:
        UsageError: Ray is not installed, or there is no cluster there.
    """
    connect_ray(address)
    from ray import serve

    options = options or ServeOptions()
    return serve.run(
        serve.deployment(
            _replica(options),
            name=model,
            ray_actor_options={"num_gpus": options.num_gpus, "num_cpus": options.num_cpus},
            max_ongoing_requests=4 * options.max_batch,
            health_check_period_s=options.health_seconds,
            autoscaling_config={
                "min_replicas": options.min_replicas,
                "max_replicas": options.max_replicas,
                "target_ongoing_requests": options.ongoing,
                "downscale_delay_s": options.idle_seconds,
                "upscale_delay_s": 1.0,
            },
        ).bind(model, make, "cuda:0" if options.num_gpus else "cpu"),
        name=model,
        route_prefix=None,
    )


def _replica(options: ServeOptions) -> type:
    """The class of the replicas; made here because Ray's decorators are needed for it."""
    from ray import serve

    class Replica:
        """One loaded model."""

        def __init__(self, model: str, make: Make | None, device: str) -> None:
            from spatialclaw.perception import registry

            self._adapter: Adapter = registry.find(model) if make is None else make()
            missing = self._adapter.available()
            if missing is not None:
                raise PerceptionError(f"{model}: {missing}")
            self._adapter.load(device)
            # Adapters are called from one thread at a time.
            self._turn = asyncio.Lock()
            self._broken = ""

        @serve.batch(  # type: ignore[untyped-decorator,unused-ignore]
            max_batch_size=options.max_batch, batch_wait_timeout_s=options.batch_wait
        )
        async def call(self, calls: list[Call]) -> list[tuple[Outcome, int]]:
            """What came of each call, and how many were answered together."""
            async with self._turn:
                outcomes = await asyncio.to_thread(run_batch, self._adapter, calls)
            for outcome in outcomes:
                if isinstance(outcome, RuntimeError):
                    # A lost GPU does not come back in this process: the next check replaces it.
                    self._broken = f"{type(outcome).__name__}: {outcome}"
            return [(outcome, len(calls)) for outcome in outcomes]

        def check_health(self) -> None:
            """Raises when the replica should be replaced."""
            if self._broken:
                raise RuntimeError(self._broken)

    return Replica


class ServedAdapter:
    """A deployed model in the shape of the model itself.

    Args:
        info: Of the model.
        address: Of the cluster; None for the one on this machine.
        seconds: That a call may take, a start of the first replica included.
    """

    def __init__(
        self, info: ModelInfo, *, address: str | None = None, seconds: float = 300.0
    ) -> None:
        self.info = info
        self._address = address
        self._seconds = seconds
        self._handle: Any = None

    def available(self) -> str | None:
        """None: the cluster is asked when it is loaded."""
        return None

    def load(self, device: str) -> None:
        """Finds the deployment; the device is the cluster's.

        Raises:
            PerceptionError: There is none of that name.
        """
        connect_ray(self._address)
        from ray import serve
        from ray.serve.exceptions import RayServeException

        try:
            self._handle = serve.get_app_handle(self.info.name)
        except RayServeException as error:
            raise PerceptionError(
                f"the cluster serves no {self.info.name}",
                hint="Deploy it with spatialclaw.evaluation.ray_serve.deploy.",
            ) from error

    def unload(self) -> None:
        """Forgets the deployment, which scales down by itself."""
        self._handle = None

    def run(self, calls: Sequence[Call]) -> list[Output]:
        """Answers calls; the cluster batches them with those of others.

        Raises:
            PrimitiveError: A typed refusal.
            MemoryError: A single call does not fit.
            PerceptionError: The deployment failed.
        """
        from ray.exceptions import RayError

        pending = [self._handle.call.remote(call) for call in calls]
        outputs = []
        for response in pending:
            try:
                outcome, _ = response.result(timeout_s=self._seconds)
            except (RayError, TimeoutError) as error:
                line = str(error).strip().splitlines()
                raise PerceptionError(
                    f"{self.info.name} on the cluster failed: {line[-1] if line else error!r}"
                ) from error
            if isinstance(outcome, PrimitiveError | MemoryError):
                raise outcome
            if isinstance(outcome, BaseException):
                raise PerceptionError(f"{self.info.name} on the cluster failed: {outcome}")
            outputs.append(outcome)
        return outputs
