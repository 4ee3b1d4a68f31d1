// Draws scenes in 3D on a plain canvas: points with a depth buffer, boxes, camera path, lines.
// World: metres, z up. Drag turns, shift-drag or two fingers move, wheel (when chosen) and +/- zoom.
"use strict";
(() => {
  const COLOURS = { boxes: "#e4572e", lines: "#b8860b", cameras: "#2e86de", marks: "#b5179e" };
  const DARK = { boxes: "#ff8a5c", lines: "#ffd166", cameras: "#6cb6ff", marks: "#ff7ad9" };
  const decode = (text) => Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
  const finite = (list, n) => Array.isArray(list) && list.length === n && list.every(Number.isFinite);
  const list = (value) => (Array.isArray(value) ? value : []);

  function cloudOf(data) {
    if (!data || typeof data.xyz !== "string" || !finite(data.low, 3) || !finite(data.high, 3)) { return null; }
    const bytes = decode(data.xyz);
    const quantised = new Uint16Array(bytes.buffer, 0, bytes.length >> 1);
    const n = Math.floor(quantised.length / 3);
    const xyz = new Float32Array(3 * n);
    for (let i = 0; i < 3 * n; i++) {
      const k = i % 3;
      xyz[i] = data.low[k] + (quantised[i] / 65535) * (data.high[k] - data.low[k]);
    }
    const rgb = typeof data.rgb === "string" ? decode(data.rgb) : null;
    return { n, xyz, rgb: rgb && rgb.length >= 3 * n ? rgb : null };
  }

  const edge = (a, b) => [a, b];
  const BOX_EDGES = [[0, 1], [1, 3], [3, 2], [2, 0], [4, 5], [5, 7], [7, 6], [6, 4], [0, 4], [1, 5], [2, 6], [3, 7]];
  function corners(box) {
    const out = [];
    for (let i = 0; i < 8; i++) {
      const s = [i & 1 ? 0.5 : -0.5, i & 2 ? 0.5 : -0.5, i & 4 ? 0.5 : -0.5];
      const p = [0, 1, 2].map((k) => box.center[k] + s.reduce((sum, v, j) => sum + v * box.extent[j] * box.axes[3 * j + k], 0));
      out.push(p);
    }
    return out;
  }
  // A camera: rows of [R | t], camera-to-world; x right, y down, z forward.
  const at = (pose, p) => [0, 1, 2].map((r) => pose[4 * r] * p[0] + pose[4 * r + 1] * p[1] + pose[4 * r + 2] * p[2] + pose[4 * r + 3]);

  class View {
    constructor(figure, data) {
      this.figure = figure;
      this.data = data;
      this.cloud = cloudOf(data.cloud_data);
      this.boxes = list(data.boxes).filter((b) => finite(b.center, 3) && finite(b.axes, 9) && finite(b.extent, 3));
      this.lines = list(data.lines).filter((l) => finite(l.a, 3) && finite(l.b, 3));
      this.marks = list(data.marks).filter((m) => finite(m.at, 3));
      this.cameras = list(data.cameras).filter((c) => finite(c.pose, 12));
      this.shown = { points: true, cameras: true, boxes: true, lines: true };
      this.build();
      this.bounds();
      this.reset();
      this.listen();
    }

    build() {
      this.canvas = document.createElement("canvas");
      this.canvas.setAttribute("role", "img");
      this.canvas.setAttribute("aria-label", this.words());
      this.bar = document.createElement("div");
      this.bar.className = "bar";
      const button = (text, label, act) => {
        const made = document.createElement("button");
        made.type = "button";
        made.textContent = text;
        made.setAttribute("aria-label", `${text}: ${label}`);
        made.addEventListener("click", act);
        this.bar.append(made);
      };
      button("Reset", "the first view again", () => this.reset());
      button("Top", "seen from above", () => this.top());
      if (this.cameras.length) { button("Camera", "seen from the next camera", () => this.fromCamera()); }
      button("+", "nearer", () => this.zoom(0.8));
      button("\u2212", "farther", () => this.zoom(1.25));
      const counts = { points: this.cloud ? this.cloud.n : 0, cameras: this.cameras.length, boxes: this.boxes.length, lines: this.lines.length + this.marks.length };
      const names = { points: ["point", "points"], cameras: ["camera", "cameras"], boxes: ["box", "boxes"], lines: ["line or mark", "lines and marks"] };
      this.swatches = {};
      for (const [kind, count] of Object.entries(counts)) {
        if (!count) { continue; }
        const label = document.createElement("label");
        const box = document.createElement("input");
        box.type = "checkbox";
        box.checked = true;
        box.addEventListener("change", () => { this.shown[kind] = box.checked; this.draw(); });
        const swatch = document.createElement("span");
        swatch.textContent = kind === "points" ? "\u2059" : "\u25a0";
        swatch.setAttribute("aria-hidden", "true");
        this.swatches[kind] = swatch;
        label.append(box, swatch, `${count.toLocaleString("en")} ${names[kind][count === 1 ? 0 : 1]}`);
        this.bar.append(label);
      }
      const hint = document.createElement("span");
      hint.className = "hint";
      const unit = this.data.unit === "m" ? "metres" : "no scale";
      const note = typeof this.data.note === "string" && this.data.note ? `; ${this.data.note}` : "";
      hint.textContent = `Axes x red, y green, z blue (up); grid in ${unit}${note}. Drag or arrow keys turn, shift moves, + and - zoom.`;
      this.bar.append(hint);
      this.figure.replaceChildren(this.canvas, this.bar);
    }

    words() {
      const say = (items, name) => (items.length ? `${items.length} ${name}: ${items.map((i) => i.label || "unnamed").slice(0, 12).join(", ")}. ` : "");
      const points = this.cloud ? `${this.cloud.n} points. ` : "";
      return `Scene in 3D. ${points}${say(this.boxes, "boxes")}${say(this.lines, "measured lines")}${say(this.marks, "marks")}${this.cameras.length} cameras.`;
    }

    bounds() {
      const things = [];
      for (const b of this.boxes) { things.push(...corners(b)); }
      for (const l of this.lines) { things.push(l.a, l.b); }
      for (const m of this.marks) { things.push(m.at); }
      for (const c of this.cameras) { things.push([c.pose[3], c.pose[7], c.pose[11]]); }
      if (this.cloud) {
        const step = Math.max(1, Math.floor(this.cloud.n / 3000));
        const axes = [[], [], []];
        for (let i = 0; i < this.cloud.n; i += step) { for (let k = 0; k < 3; k++) { axes[k].push(this.cloud.xyz[3 * i + k]); } }
        axes.forEach((a) => a.sort((x, y) => x - y));
        const pick = (q) => axes.map((a) => a[Math.floor(q * (a.length - 1))]);
        things.push(pick(0.03), pick(0.97));
        this.ground = axes[2][Math.floor(0.02 * (axes[2].length - 1))];
      }
      if (!things.length) { things.push([-1, -1, -1], [1, 1, 1]); }
      this.low = [0, 1, 2].map((k) => Math.min(...things.map((p) => p[k])));
      this.high = [0, 1, 2].map((k) => Math.max(...things.map((p) => p[k])));
      if (this.ground === undefined) { this.ground = this.low[2]; }
      this.radius = Math.max(0.05, Math.hypot(...[0, 1, 2].map((k) => this.high[k] - this.low[k])) / 2);
    }

    reset() {
      this.target = [0, 1, 2].map((k) => (this.low[k] + this.high[k]) / 2);
      this.distance = (this.cloud ? 1.8 : 2.4) * this.radius;
      this.pitch = 0.75;
      this.yaw = 0.6;
      if (this.cameras.length) {
        // From behind the first camera, a little to its side.
        const p = this.cameras[0].pose;
        this.yaw = Math.atan2(p[2], p[6]) + 0.35;
      }
      this.eyeView = null;
      this.draw();
    }

    top() { this.pitch = Math.PI / 2 - 0.001; this.eyeView = null; this.draw(); }

    fromCamera() {
      this.eyeView = this.eyeView === null ? 0 : (this.eyeView + 1) % this.cameras.length;
      this.draw();
    }

    zoom(factor) {
      this.eyeView = null;
      this.distance = Math.min(60 * this.radius, Math.max(0.02 * this.radius, this.distance * factor));
      this.draw();
    }

    turn(dx, dy) {
      this.eyeView = null;
      this.yaw += dx;
      this.pitch = Math.min(Math.PI / 2 - 0.001, Math.max(-Math.PI / 2 + 0.001, this.pitch + dy));
      this.draw();
    }

    move(dx, dy) {
      this.eyeView = null;
      const { right, up } = this.frame();
      for (let k = 0; k < 3; k++) { this.target[k] += (-dx * right[k] + dy * up[k]) * this.distance; }
      this.draw();
    }

    frame() {
      if (this.eyeView !== null) {
        const p = this.cameras[this.eyeView].pose;
        return { eye: [p[3], p[7], p[11]], right: [p[0], p[4], p[8]], up: [-p[1], -p[5], -p[9]], ahead: [p[2], p[6], p[10]] };
      }
      const [cy, sy, cp, sp] = [Math.cos(this.yaw), Math.sin(this.yaw), Math.cos(this.pitch), Math.sin(this.pitch)];
      const ahead = [sy * cp, cy * cp, -sp];
      const right = [cy, -sy, 0];
      const up = [sy * sp, cy * sp, cp];
      return { eye: this.target.map((t, k) => t - ahead[k] * this.distance), right, up, ahead };
    }

    draw() {
      if (this.pending) { return; }
      this.pending = true;
      requestAnimationFrame(() => { this.pending = false; this.paint(); });
    }

    paint() {
      const css = this.figure.clientWidth - 2;
      if (css <= 0) { return; }
      const ratio = Math.min(1.5, window.devicePixelRatio || 1);
      const width = Math.round(css * ratio);
      const height = Math.round(Math.min(0.72 * css, 560) * ratio);
      if (this.canvas.width !== width || this.canvas.height !== height) {
        this.canvas.width = width;
        this.canvas.height = height;
        this.depth = new Float32Array(width * height);
      }
      const context = this.canvas.getContext("2d", { willReadFrequently: true });
      const dark = getComputedStyle(document.documentElement).colorScheme === "dark";
      const colours = dark ? DARK : COLOURS;
      for (const [kind, swatch] of Object.entries(this.swatches)) { swatch.style.color = kind === "points" ? "" : colours[kind]; }
      const view = this.frame();
      const focal = 0.9 * height;
      const near = 0.01 * this.radius;
      const project = (p) => {
        const d = [p[0] - view.eye[0], p[1] - view.eye[1], p[2] - view.eye[2]];
        const dot = (v) => d[0] * v[0] + d[1] * v[1] + d[2] * v[2];
        const z = dot(view.ahead);
        return { x: dot(view.right), y: dot(view.up), z };
      };
      const screen = (q) => [width / 2 + (focal * q.x) / q.z, height / 2 - (focal * q.y) / q.z];
      this.paintPoints(context, view, focal, near, width, height, dark);
      const segment = (a, b) => {
        let p = project(a);
        let q = project(b);
        if (p.z < near && q.z < near) { return; }
        const cut = (u, v) => { const t = (near - u.z) / (v.z - u.z); return { x: u.x + t * (v.x - u.x), y: u.y + t * (v.y - u.y), z: near }; };
        if (p.z < near) { p = cut(p, q); } else if (q.z < near) { q = cut(q, p); }
        context.moveTo(...screen(p));
        context.lineTo(...screen(q));
      };
      const strokes = (colour, thick, pairs, dash = []) => {
        context.setLineDash(dash);
        context.strokeStyle = colour;
        context.lineWidth = thick * ratio;
        context.beginPath();
        for (const [a, b] of pairs) { segment(a, b); }
        context.stroke();
        context.setLineDash([]);
      };
      const label = (p, text, colour) => {
        const q = project(p);
        if (q.z < near || !text) { return; }
        const [x, y] = screen(q);
        context.font = `600 ${12.5 * ratio}px system-ui, sans-serif`;
        context.lineWidth = 3.5 * ratio;
        context.strokeStyle = dark ? "#0d1117" : "#ffffff";
        context.strokeText(text, x + 5 * ratio, y - 5 * ratio);
        context.fillStyle = colour;
        context.fillText(text, x + 5 * ratio, y - 5 * ratio);
      };
      this.paintGrid(strokes, dark);
      if (this.shown.cameras) { this.paintCameras(strokes, label, colours.cameras); }
      if (this.shown.boxes) {
        for (const box of this.boxes) {
          const c = corners(box);
          strokes(colours.boxes, 2, BOX_EDGES.map(([i, j]) => edge(c[i], c[j])));
          label(c[7], box.label, colours.boxes);
        }
      }
      if (this.shown.lines) {
        const text = dark ? colours.lines : "#7a5900";
        for (const line of this.lines) {
          strokes(colours.lines, 3, [[line.a, line.b]]);
          label([0, 1, 2].map((k) => (line.a[k] + line.b[k]) / 2), line.label, text);
        }
        for (const mark of this.marks) {
          const q = project(mark.at);
          if (q.z < near) { continue; }
          const [x, y] = screen(q);
          context.fillStyle = colours.marks;
          context.beginPath();
          context.arc(x, y, 4 * ratio, 0, 7);
          context.fill();
          label(mark.at, mark.label, colours.marks);
        }
      }
      this.figure.dataset.view = [this.yaw, this.pitch, this.distance, ...this.target, this.eyeView ?? -1].map((v) => v.toFixed(3)).join(" ");
    }

    paintPoints(context, view, focal, near, width, height, dark) {
      const image = context.createImageData(width, height);
      const pixels = new Uint32Array(image.data.buffer);
      pixels.fill(dark ? 0xff17110d : 0xfffbfbfa);
      if (this.cloud && this.shown.points) {
        const { n, xyz, rgb } = this.cloud;
        const depth = this.depth.fill(Infinity);
        const { eye, right, up, ahead } = view;
        const dot = 0.006 * this.radius * focal;
        for (let i = 0, j = 0; i < n; i++, j += 3) {
          const x = xyz[j] - eye[0];
          const y = xyz[j + 1] - eye[1];
          const z = xyz[j + 2] - eye[2];
          const far = x * ahead[0] + y * ahead[1] + z * ahead[2];
          if (far < near) { continue; }
          const u = width / 2 + (focal * (x * right[0] + y * right[1] + z * right[2])) / far;
          const v = height / 2 - (focal * (x * up[0] + y * up[1] + z * up[2])) / far;
          const size = Math.min(9, Math.max(2, Math.round((2 * dot) / far)));
          const left = Math.floor(u - size / 2);
          const topmost = Math.floor(v - size / 2);
          if (left < 0 || topmost < 0 || left + size >= width || topmost + size >= height) { continue; }
          const colour = rgb ? 0xff000000 | (rgb[j + 2] << 16) | (rgb[j + 1] << 8) | rgb[j] : 0xff888888;
          for (let b = topmost; b < topmost + size; b++) {
            for (let a = left; a < left + size; a++) {
              const k = b * width + a;
              if (far < depth[k]) { depth[k] = far; pixels[k] = colour; }
            }
          }
        }
      }
      context.putImageData(image, 0, 0);
    }

    paintGrid(strokes, dark) {
      const raw = this.radius / 4;
      const power = 10 ** Math.floor(Math.log10(raw));
      const step = [1, 2, 5, 10].map((m) => m * power).find((s) => s >= raw) || raw;
      const pairs = [];
      const [x0, x1, y0, y1] = [this.low[0], this.high[0], this.low[1], this.high[1]];
      const [a, b, c, d] = [Math.floor(x0 / step), Math.ceil(x1 / step), Math.floor(y0 / step), Math.ceil(y1 / step)];
      for (let i = a; i <= b; i++) { pairs.push([[i * step, c * step, this.ground], [i * step, d * step, this.ground]]); }
      for (let i = c; i <= d; i++) { pairs.push([[a * step, i * step, this.ground], [b * step, i * step, this.ground]]); }
      strokes(dark ? "rgba(200,210,220,0.25)" : "rgba(40,50,60,0.22)", 1, pairs);
      const o = [0, 0, 0];
      strokes(dark ? "#ff6b6b" : "#c92a2a", 2.5, [[o, [step, 0, 0]]]);
      strokes(dark ? "#69db7c" : "#2b8a3e", 2.5, [[o, [0, step, 0]]]);
      strokes(dark ? "#74c0fc" : "#1864ab", 2.5, [[o, [0, 0, step]]]);
    }

    paintCameras(strokes, label, colour) {
      const size = 0.06 * this.radius;
      const path = [];
      this.cameras.forEach((camera, i) => {
        const eye = at(camera.pose, [0, 0, 0]);
        const rim = [[-1, -0.7], [1, -0.7], [1, 0.7], [-1, 0.7]].map(([x, y]) => at(camera.pose, [x * size, y * size, 1.4 * size]));
        strokes(colour, 1.2, [...rim.map((r) => [eye, r]), ...rim.map((r, k) => [r, rim[(k + 1) % 4]])]);
        if (i > 0) { path.push([at(this.cameras[i - 1].pose, [0, 0, 0]), eye]); }
      });
      strokes(colour, 1.5, path, [6, 4]);
      if (this.cameras.length) {
        const first = this.cameras[0];
        label(at(first.pose, [0, 0, 0]), first.label || "camera 0", colour);
      }
    }

    listen() {
      const pointers = new Map();
      const canvas = this.canvas;
      canvas.addEventListener("pointerdown", (e) => {
        canvas.setPointerCapture(e.pointerId);
        pointers.set(e.pointerId, [e.clientX, e.clientY]);
        this.figure.focus({ preventScroll: true });
      });
      const gone = (e) => pointers.delete(e.pointerId);
      canvas.addEventListener("pointerup", gone);
      canvas.addEventListener("pointercancel", gone);
      canvas.addEventListener("pointermove", (e) => {
        const old = pointers.get(e.pointerId);
        if (!old) { return; }
        const size = Math.max(1, canvas.clientHeight);
        const [dx, dy] = [e.clientX - old[0], e.clientY - old[1]];
        if (pointers.size === 2) {
          const other = [...pointers].find(([id]) => id !== e.pointerId)[1];
          const before = Math.hypot(old[0] - other[0], old[1] - other[1]);
          const after = Math.hypot(e.clientX - other[0], e.clientY - other[1]);
          if (before > 10 && after > 10) { this.zoom(before / after); }
          this.move(dx / size / 2, dy / size / 2);
        } else if (e.shiftKey || e.buttons === 2) {
          this.move(dx / size, dy / size);
        } else {
          this.turn((3 * dx) / size, (3 * dy) / size);
        }
        pointers.set(e.pointerId, [e.clientX, e.clientY]);
      });
      canvas.addEventListener("contextmenu", (e) => e.preventDefault());
      canvas.addEventListener("wheel", (e) => {
        // The page scrolls past a scene that nobody has chosen.
        if (!this.figure.contains(document.activeElement)) { return; }
        e.preventDefault();
        this.zoom(Math.exp(Math.max(-1, Math.min(1, e.deltaY / 400))));
      }, { passive: false });
      this.figure.addEventListener("keydown", (e) => {
        if (e.target.closest("input, button") || e.ctrlKey || e.metaKey || e.altKey) { return; }
        const steps = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
        const acts = { "+": () => this.zoom(0.8), "=": () => this.zoom(0.8), "-": () => this.zoom(1.25), 0: () => this.reset(), t: () => this.top(), c: () => this.cameras.length && this.fromCamera() };
        if (steps[e.key]) {
          const [dx, dy] = steps[e.key];
          if (e.shiftKey) { this.move(-0.06 * dx, -0.06 * dy); } else { this.turn(0.12 * dx, 0.12 * dy); }
        } else if (acts[e.key]) { acts[e.key](); } else { return; }
        e.preventDefault();
      });
      new ResizeObserver(() => this.draw()).observe(this.figure);
      document.addEventListener("themechange", () => this.draw());
    }
  }

  const parsed = (id) => {
    const block = document.getElementById(id);
    return block ? JSON.parse(block.textContent) : null;
  };
  const fetched = new Map();
  const load = (url) => {
    if (!fetched.has(url)) {
      fetched.set(url, fetch(url).then((r) => { if (!r.ok) { throw new Error(`${r.status}`); } return r.json(); }));
    }
    return fetched.get(url);
  };
  async function open(figure) {
    if (figure.dataset.opened) { return; }
    figure.dataset.opened = "1";
    try {
      let data;
      if (figure.dataset.scene) {
        data = parsed(figure.dataset.scene);
        if (data.cloud) { data.cloud_data = parsed(`cloud-${data.cloud}`); }
      } else {
        data = { ...(await load(figure.dataset.src)) };
        if (data.cloud) { data.cloud_data = await load(`${figure.dataset.base}${data.cloud}.json`).catch(() => null); }
      }
      figure.view = new View(figure, data);
    } catch (error) {
      figure.textContent = `This scene cannot be shown: ${error.message}`;
    }
  }
  const watcher = new IntersectionObserver((seen) => {
    for (const item of seen) { if (item.isIntersecting) { watcher.unobserve(item.target); open(item.target); } }
  }, { rootMargin: "300px" });
  const find = (root) => root.querySelectorAll(".scene").forEach((f) => { if (!f.dataset.opened) { watcher.observe(f); } });
  window.spatialclawScenes = find;
  window.addEventListener("beforeprint", () => document.querySelectorAll(".scene").forEach(open));
  find(document);
})();
