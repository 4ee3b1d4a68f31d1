(() => {
  // Points and a path in a canvas, seen from a camera that circles around them. No library.
  const bytes = (text) => Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
  const points = new Int16Array(bytes("@POINTS@").buffer);
  const colours = bytes("@COLOURS@");
  const path = new Int16Array(bytes("@PATH@").buffer);
  const canvas = document.getElementById("@NAME@");
  if (!canvas) return;
  const context = canvas.getContext("2d");
  const count = points.length / 3;
  let turn = 0.8, lift = 0.5, near = 1.7, waiting = false;

  const project = (x, y, z) => {
    const c = Math.cos(turn), s = Math.sin(turn), l = Math.cos(lift), u = Math.sin(lift);
    const right = c * x + s * y, away = -s * x + c * y;
    const up = l * z + u * away, depth = l * away - u * z;
    const scale = near * canvas.height / (2.2 + depth);
    return [canvas.width / 2 + right * scale, canvas.height / 2 - up * scale, 2.2 + depth];
  };

  const draw = () => {
    waiting = false;
    context.clearRect(0, 0, canvas.width, canvas.height);
    const seen = [];
    for (let i = 0; i < count; i++) {
      const p = project(points[3 * i] / 16383, points[3 * i + 1] / 16383, points[3 * i + 2] / 16383);
      if (p[2] > 0.05) seen.push([p, i]);
    }
    seen.sort((a, b) => b[0][2] - a[0][2]);
    for (const [p, i] of seen) {
      const size = Math.max(1.5, 5 * near / p[2]);
      context.fillStyle = `rgb(${colours[3 * i]},${colours[3 * i + 1]},${colours[3 * i + 2]})`;
      context.fillRect(p[0] - size / 2, p[1] - size / 2, size, size);
    }
    context.strokeStyle = context.fillStyle = "#ffb000";
    context.lineWidth = 2;
    context.beginPath();
    for (let i = 0; i < path.length / 3; i++) {
      const p = project(path[3 * i] / 16383, path[3 * i + 1] / 16383, path[3 * i + 2] / 16383);
      if (i) context.lineTo(p[0], p[1]); else context.moveTo(p[0], p[1]);
      context.fillRect(p[0] - 3, p[1] - 3, 6, 6);
    }
    context.stroke();
  };
  const later = () => { if (!waiting) { waiting = true; requestAnimationFrame(draw); } };
  const move = (dx, dy) => {
    turn += dx;
    lift = Math.min(1.5, Math.max(-1.5, lift + dy));
    later();
  };

  canvas.addEventListener("pointerdown", (event) => canvas.setPointerCapture(event.pointerId));
  canvas.addEventListener("pointermove", (event) => {
    if (event.buttons) move(event.movementX * 0.01, event.movementY * 0.01);
  });
  canvas.addEventListener("wheel", (event) => {
    event.preventDefault();
    near = Math.min(20, Math.max(0.1, near * Math.exp(-event.deltaY * 0.001)));
    later();
  }, { passive: false });
  canvas.addEventListener("keydown", (event) => {
    const keys = { ArrowLeft: [-0.1, 0], ArrowRight: [0.1, 0], ArrowUp: [0, 0.1], ArrowDown: [0, -0.1] };
    if (keys[event.key]) { move(...keys[event.key]); event.preventDefault(); }
    if (event.key === "+") { near *= 1.1; later(); }
    if (event.key === "-") { near /= 1.1; later(); }
  });
  draw();
})();
