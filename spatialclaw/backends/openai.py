"""Any OpenAI-compatible server: one client, with a retry policy and a memory for its habits."""

from __future__ import annotations

import asyncio
import difflib
import hashlib
import json
import random
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from spatialclaw._version import __version__
from spatialclaw.agent.prompts import estimate_tokens
from spatialclaw.agent.types import Task, Usage
from spatialclaw.backends.base import (
    ChatClient,
    ChatReply,
    Message,
    Policy,
    Purpose,
    ToolsRefused,
)
from spatialclaw.backends.capabilities import Capabilities, CapabilityStore, learn
from spatialclaw.backends.endpoints import (
    OpenAIOptions,
    count_pictures,
    endpoint,
    estimated_tokens,
    model_names,
    out_of_credit,
    retry_after,
)
from spatialclaw.backends.preflight import CHECK_SECONDS, check_message
from spatialclaw.backends.wire import (
    Completion,
    NoCompletion,
    error_text,
    needs_drawing,
    read_completion,
    wire_messages,
)
from spatialclaw.errors import (
    BackendError,
    BackendRejected,
    BackendReplyError,
    BackendUnreachable,
)

if TYPE_CHECKING:
    from httpx2 import URL, AsyncClient, Headers, Response

__all__ = [
    "ContextTooLong",
    "OpenAIBackend",
    "OpenAIChat",
    "OpenAIOptions",
    "endpoint",
]

CHECK_KEPT_SECONDS = 300.0

# Endpoint, model and mark of what was checked in this process -> when.
_passed: dict[tuple[str, str | None, str], float] = {}


class ContextTooLong(BackendRejected):
    """The request does not fit into the server's context.

    Args:
        message: One line.
        context: Tokens the server takes, or None.
        hint: What to do about it.
    """

    def __init__(self, message: str, *, context: int | None, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.context = context


class OpenAIChat:
    """A `ChatClient` for one endpoint; safe for many runs at once on one event loop.

    It takes function schemas (``tools``) where the server does.

    Args:
        options: How to reach it.
        store: What is known of endpoints; by default nothing is, and nothing is kept.
        sleep: Waits; replaced in tests.
    """

    def __init__(
        self,
        options: OpenAIOptions,
        *,
        store: CapabilityStore | None = None,
        sleep: Callable[[float], Any] = asyncio.sleep,
    ) -> None:
        self.options = options
        self.base_url, self._query = endpoint(options.base_url)
        self.model = options.model
        self._store = store or CapabilityStore()
        self._sleep = sleep
        self._connections: AsyncClient | None = None
        self._target: tuple[URL, Headers] | None = None
        self._model_lock = asyncio.Lock()
        self._random = random.Random(options.seed)

    @property
    def capabilities(self) -> Capabilities:
        """What is known of the endpoint."""
        return self._store.get(self.base_url, self.model)

    def save_capabilities(self) -> None:
        """Keeps what is known of the endpoint for the next process."""
        self._store.save(self.base_url, self.model)

    async def complete(
        self,
        messages: list[Message],
        *,
        purpose: Purpose,
        max_tokens: int | None = None,
        temperature: float | None = None,
        seed: int | None = None,
        tools: Sequence[Mapping[str, Any]] | None = None,
    ) -> ChatReply:
        """Asks the model; see `spatialclaw.backends.base.ChatClient`.

        Args:
            messages: The conversation.
            purpose: What for.
            max_tokens: Of the reply.
            temperature: Instead of that of the options.
            seed: Instead of that of the options.
            tools: Function schemas; native calls come back as JSON in the text of the reply.

        Raises:
            ToolsRefused: The server takes no function schemas.
        """
        if self.model is None:
            await self._choose_model()
        attempt = _Attempt(
            messages,
            max_tokens or self.options.max_reply,
            self.options.temperature if temperature is None else temperature,
            self.options.seed if seed is None else seed,
            tools=tools,
        )
        while True:
            completion = await self._try(attempt)
            if completion is not None:
                break
        usage = self._priced(completion.usage, messages, completion, attempt)
        return ChatReply(
            completion.text,
            completion.thought,
            completion.finish,
            usage,
            time.monotonic() - attempt.started,
            attempt.failures,
        )

    async def check(self, *, pictures: bool) -> None:
        """Finds out in a few seconds whether the endpoint can be used.

        What was found is kept: for some minutes in this process, and in the capabilities. A server
        that is merely slow passes.

        Args:
            pictures: Whether it will be sent pictures.

        Raises:
            BackendUnreachable: No connection.
            BackendRejected: Wrong key, unknown model, or no pictures.
            BackendReplyError: No OpenAI-compatible server.
        """
        secret = hashlib.sha256((self.options.api_key or "").encode()).hexdigest()[:8]
        mark = f"{secret}{' with pictures' if pictures else ''}"
        passed = _passed.get((self.base_url, self.model, mark))
        if passed is not None and time.monotonic() - passed < CHECK_KEPT_SECONDS:
            return
        try:
            async with asyncio.timeout(CHECK_SECONDS):
                await self._check_once(mark, pictures)
        except TimeoutError:
            return
        _passed[(self.base_url, self.model, mark)] = time.monotonic()

    async def _check_once(self, mark: str, pictures: bool) -> None:
        if self.model is None:
            await self._choose_model()
            listed = True
        else:
            listed = self.model in await self.models()
        caps = self.capabilities
        if listed and caps.seen.get("checked") in (mark, f"{mark} with pictures"):
            return
        options = replace(self.options, model=self.model, max_retries=1, timeout=CHECK_SECONDS)
        quick = OpenAIChat(options, store=self._store, sleep=self._sleep)
        text, picture = check_message()
        message = Message("user", (picture, text) if pictures else (text,))
        attempt = _Attempt([message], 16, None, None, raised=True)
        try:
            while await quick._try(attempt) is None:
                pass
        except (BackendUnreachable, ContextTooLong):
            # It is there, and busy or failing: the run itself has more patience.
            return
        finally:
            await quick.aclose()
        caps.seen["checked"] = mark
        if pictures:
            caps.vision = True
        self.save_capabilities()

    async def models(self) -> list[str]:
        """The names of the models on the server; empty when it does not list them.

        Raises:
            BackendUnreachable: No connection.
            BackendRejected: The key is wrong.
        """
        import httpx2

        patience = httpx2.Timeout(self.options.connect_timeout * 2)
        url, headers = self._address("/models")
        try:
            response = await self._http().get(url, headers=headers, timeout=patience)
        except (httpx2.RequestError, httpx2.InvalidURL) as error:
            raise self._unreachable(error) from None
        if response.status_code in (401, 403):
            text = self._without_key(error_text(response.text))
            raise self._wrong_key(response.status_code, text)
        return model_names(response.text) if response.status_code == 200 else []

    async def aclose(self) -> None:
        """Closes the connections."""
        connections, self._connections = self._connections, None
        if connections is not None:
            await connections.aclose()

    # ------------------------------------------------------------------ inner

    def _http(self) -> AsyncClient:
        if self._connections is None:
            import httpx2

            # Certificates are read only where they are used: it takes 60 ms.
            self._connections = httpx2.AsyncClient(
                verify=self.base_url.startswith("https://"),
                timeout=httpx2.Timeout(self.options.timeout, connect=self.options.connect_timeout),
                limits=httpx2.Limits(max_connections=1000, max_keepalive_connections=200),
                follow_redirects=True,
            )
        return self._connections

    def _address(self, path: str) -> tuple[URL, Headers]:
        """Where a request goes, and what goes with each."""
        import httpx2

        headers = {
            "Accept": "application/json",
            "Content-Type": "application/json",
            "User-Agent": f"spatialclaw/{__version__}",
        }
        if self.options.api_key:
            headers["Authorization"] = f"Bearer {self.options.api_key}"
            if "api-version" in self._query:
                headers["api-key"] = self.options.api_key
        return httpx2.URL(f"{self.base_url}{path}", params=self._query), httpx2.Headers(headers)

    async def _post(self, body: dict[str, Any]) -> Response:
        """Sends a request as it is."""
        import httpx2

        if self._target is None:
            self._target = self._address("/chat/completions")
        url, headers = self._target
        client = self._http()
        request = httpx2.Request(
            "POST",
            url,
            headers=headers,
            content=json.dumps(body, separators=(",", ":")).encode("ascii"),
            extensions={"timeout": client.timeout.as_dict()},
        )
        return await client.send(request)

    async def _try(self, attempt: _Attempt) -> Completion | None:
        """One request; None after a failure that is worth another one."""
        import httpx2

        caps = self.capabilities
        if needs_drawing(attempt.messages, caps):
            # Drawing takes some milliseconds a picture, in which other runs should go on.
            request = await asyncio.to_thread(self._request, attempt, caps)
        else:
            request = self._request(attempt, caps)
        try:
            response = await self._post(request)
            if response.status_code >= 300:
                await self._refused(attempt, caps, response, request)
                return None
            completion = read_completion(response.text)
        except httpx2.TimeoutException as error:
            if isinstance(error, httpx2.ConnectTimeout):
                await self._wait(attempt, self._unreachable(error), limit=1)
                return None
            problem: BackendError = BackendUnreachable(
                f"{self.base_url} gave no reply within {self.options.timeout:g} s",
                hint="Raise request_timeout, or ask a faster model.",
            )
            # A server that is too slow once is mostly too slow again.
            await self._wait(attempt, problem, limit=1)
            return None
        except (httpx2.RequestError, httpx2.InvalidURL) as error:
            await self._wait(attempt, self._unreachable(error), limit=2)
            return None
        except NoCompletion as wrong:
            hint = "Does its address end in /v1?" if "HTML" in str(wrong) else None
            problem = BackendReplyError(f"{self.base_url} answered with {wrong}", hint=hint)
            await self._wait(attempt, problem, limit=self.options.max_retries)
            return None
        self._check_context(attempt.messages, completion.usage)
        if attempt.tools and completion.calls:
            caps.tools = True
        if completion.cached:
            caps.seen["prefix_cache"] = True
        if completion.usage.input_tokens:
            caps.seen["token_ratio"] = completion.usage.input_tokens / estimated_tokens(
                attempt.messages
            )
        if completion.reasoning_field and caps.reasoning != completion.reasoning_field:
            caps.reasoning = completion.reasoning_field
        if completion.finish == "length" and not completion.text.strip() and not attempt.raised:
            # The thought ate the whole reply: more room, once.
            attempt.raised = True
            attempt.max_tokens *= 2
            attempt.usage.add(completion.usage)
            return None
        return completion

    def _check_context(self, messages: list[Message], usage: Usage) -> None:
        """Refuses to go on with a server that silently reads only a part of the request.

        No tokenizer makes ten characters a token of prompts like ours; a server that counts fewer
        has cut the request to its context (Ollama does, and keeps the tail).
        """
        words = sum(len(p) for m in messages for p in m.parts if isinstance(p, str))
        if 0 < usage.input_tokens < words / 10:
            raise ContextTooLong(
                f"{self.base_url} read only {usage.input_tokens} tokens of about "
                f"{estimate_tokens('x' * words)}: its context is too short",
                context=usage.input_tokens,
                hint="Ollama: set OLLAMA_CONTEXT_LENGTH=32768 (or num_ctx in a Modelfile).",
            )

    def _request(self, attempt: _Attempt, caps: Capabilities) -> dict[str, Any]:
        tokens = min(attempt.max_tokens, int(caps.seen.get("max_reply") or attempt.max_tokens))
        if caps.context is not None:
            ratio = float(caps.seen.get("token_ratio", 1.0))
            prompt = attempt.prompt_tokens or int(estimated_tokens(attempt.messages) * ratio) + 1
            tokens = max(256, min(tokens, caps.context - prompt - 64))
        optional: dict[str, Any] = {
            "temperature": attempt.temperature,
            "seed": attempt.seed,
        }
        request = {k: v for k, v in optional.items() if v is not None and k not in caps.dropped}
        request[caps.token_parameter] = tokens
        if attempt.tools:
            request["tools"] = list(attempt.tools)
        if caps.stream:
            request["stream"] = True
            if "stream_options" not in caps.dropped:
                request["stream_options"] = {"include_usage": True}
        return {
            "model": self.model,
            "messages": wire_messages(attempt.messages, caps),
            **request,
        }

    async def _refused(
        self,
        attempt: _Attempt,
        caps: Capabilities,
        response: Response,
        request: dict[str, Any],
    ) -> None:
        """Learns from a refusal, waits where waiting helps, and raises where nothing does."""
        status = response.status_code
        text = self._without_key(error_text(response.text))
        sent = {k: v for k, v in request.items() if k != "messages"}
        sent["max_tokens"] = request[caps.token_parameter]
        sent["images"] = count_pictures(attempt.messages)
        sent["max_edge"] = caps.max_edge
        if status in (401, 403):
            raise self._wrong_key(status, text)
        if status == 402 or (status == 429 and out_of_credit(text)):
            raise BackendRejected(f"{self.base_url} wants payment: {text}")
        lesson = learn(caps, status, text, sent)
        if lesson is not None:
            self.save_capabilities()
            attempt.lessons += 1
            if lesson.prompt_tokens:
                attempt.prompt_tokens = lesson.prompt_tokens
                caps.seen["token_ratio"] = lesson.prompt_tokens / estimated_tokens(attempt.messages)
            if lesson.shorter_reply:
                attempt.max_tokens = max(512, sent["max_tokens"] // 2)
            if lesson.retry and attempt.lessons <= 8:
                return
            if caps.tools is False and "tools" in request:
                raise ToolsRefused(f"{self.base_url} takes no function schemas: {text}")
            if caps.vision is False:
                raise BackendRejected(
                    f"the model {self.model} at {self.base_url} takes no pictures: {text}",
                    hint="Choose a vision model with --model, or load its vision part.",
                )
            raise ContextTooLong(
                f"the request does not fit into the context of {self.base_url}: {text}",
                context=caps.context,
                hint="Start the server with a longer context.",
            )
        if status == 404:
            raise await self._not_found(text)
        if status in (408, 409, 425, 429) or status >= 500:
            problem: BackendError = BackendUnreachable(
                f"{self.base_url} answered {status}: {text or 'no reason given'}"
            )
            await self._wait(attempt, problem, after=retry_after(response.headers))
            return
        raise BackendRejected(f"{self.base_url} refused the request ({status}): {text}")

    async def _wait(
        self,
        attempt: _Attempt,
        problem: BackendError,
        *,
        limit: int | None = None,
        after: float | None = None,
    ) -> None:
        """Waits before the next try, or raises the problem when tries or time are used up."""
        attempt.failures += 1
        allowed = self.options.max_retries
        allowed = allowed if limit is None else min(limit, allowed)
        if attempt.failures > allowed:
            if attempt.failures > 1:
                problem.message += f" ({attempt.failures} tries)"
            raise problem
        pause = 0.5 * 2 ** (attempt.failures - 1) * self._random.uniform(0.75, 1.25)
        if after is not None:
            pause = max(after, 0.05)
        if attempt.waited + pause > self.options.retry_seconds:
            problem.message += f"; it asks to wait {pause:.0f} s" if after else ""
            problem.hint = problem.hint or "Ask again later, or choose another server."
            raise problem
        attempt.waited += pause
        await self._sleep(pause)

    async def _choose_model(self) -> None:
        async with self._model_lock:
            if self.model is not None:
                return
            names = [name for name in await self.models() if "embed" not in name.lower()]
            if not names:
                raise BackendRejected(
                    f"{self.base_url} does not say which models it has",
                    hint="Name one: --model NAME.",
                )
            if len(names) > 1:
                raise BackendRejected(
                    f"{self.base_url} has {len(names)} models",
                    hint=f"Name one: --model {names[0]} (or {', '.join(names[1:6])}).",
                )
            self.model = names[0]

    async def _not_found(self, text: str) -> BackendRejected:
        try:
            names = await self.models()
        except BackendError:
            # The list only makes the hint better.
            names = []
        if self.model in names or not names:
            return BackendRejected(
                f"{self.base_url} answered 404: {text}",
                hint="Check --base-url (it mostly ends in /v1) and --model.",
            )
        close = difflib.get_close_matches(str(self.model), names, n=3, cutoff=0.4) or names[:5]
        return BackendRejected(
            f"{self.base_url} has no model {self.model!r}", hint=f"It has: {', '.join(close)}."
        )

    def _without_key(self, text: str) -> str:
        """A server's words, for the terminal: some repeat the key."""
        key = self.options.api_key
        # A placeholder such as "x" is no secret, and replacing it would garble the message.
        return text.replace(key, "[key]") if key and len(key) >= 8 else text

    def _wrong_key(self, status: int, text: str) -> BackendRejected:
        what = "the key is refused" if self.options.api_key else "it wants a key"
        return BackendRejected(
            f"{self.base_url} answered {status}: {text or 'not allowed'}",
            hint=f"It seems that {what}: set SPATIALCLAW_API_KEY (or OPENAI_API_KEY).",
        )

    def _unreachable(self, error: Exception) -> BackendUnreachable:
        cause = error.__cause__
        reason = str(cause or error) or type(cause or error).__name__
        if "timed out" in reason or "Timeout" in reason:
            reason = f"none within {self.options.connect_timeout:g} s"
        return BackendUnreachable(
            f"no connection to {self.base_url}: {' '.join(reason.split())}",
            hint="Is the server running? Check --base-url, or use --backend builtin.",
        )

    def _priced(
        self, usage: Usage, messages: list[Message], completion: Completion, attempt: _Attempt
    ) -> Usage:
        """Usage with estimates where the server is silent, money, and what failed tries took."""
        if usage.input_tokens == 0:
            said = estimate_tokens(completion.text + completion.thought)
            usage = replace(usage, input_tokens=estimated_tokens(messages), output_tokens=said)
        usage = replace(usage, images=count_pictures(messages))
        prices = self.options.price_input, self.options.price_output
        if usage.cost_usd is None and prices[0] is not None and prices[1] is not None:
            tokens = usage.input_tokens * prices[0] + usage.output_tokens * prices[1]
            usage = replace(usage, cost_usd=tokens / 1e6)
        usage.add(replace(attempt.usage, images=0))
        return usage


@dataclass
class _Attempt:
    """The state of one call over its tries."""

    messages: list[Message]
    max_tokens: int
    temperature: float | None
    seed: int | None
    started: float = field(default_factory=time.monotonic)
    failures: int = 0
    lessons: int = 0
    waited: float = 0.0
    raised: bool = False
    prompt_tokens: int | None = None
    usage: Usage = field(default_factory=Usage)
    tools: Sequence[Mapping[str, Any]] | None = None


class OpenAIBackend:
    """Lets the model behind an OpenAI-compatible server write the cells."""

    name = "openai"
    concurrent = True  # several policies may ask at the same time

    def __init__(self, chat: ChatClient) -> None:
        self.chat = chat

    @property
    def model(self) -> str | None:
        """The model's name; None until the server was asked."""
        return self.chat.model

    def policy(self, task: Task) -> Policy:
        """A conversation of its own for one run."""
        from spatialclaw.agent.conversation import ModelPolicy

        return ModelPolicy(task)

    async def aclose(self) -> None:
        """Closes the connections."""
        await self.chat.aclose()
