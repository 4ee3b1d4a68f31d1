// The list and the page of a run: keys, filters at once, steps as they come.
"use strict";
(() => {
  const keys = document.getElementById("keys");
  const help = document.getElementById("help");
  if (help) { help.addEventListener("click", () => keys.showModal()); }
  if (keys) { keys.querySelector("[data-close]").addEventListener("click", () => keys.close()); }

  const rows = () => [...document.querySelectorAll(".run-row")];
  const step = (by) => {
    const all = rows();
    const now = all.findIndex((row) => row.classList.contains("current"));
    const next = all[Math.min(all.length - 1, Math.max(0, now + by))];
    if (!next) { return; }
    if (now >= 0) { all[now].classList.remove("current"); }
    next.classList.add("current");
    next.scrollIntoView({ block: "nearest" });
    const link = next.querySelector("a");
    if (link) { link.focus({ preventScroll: true }); }
  };
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input, textarea, select, .scene, dialog")) { return; }
    const search = document.querySelector("input[type=search]");
    if (event.key === "?") { keys.showModal(); }
    else if (event.key === "/" && search) { event.preventDefault(); search.focus(); search.select(); }
    else if (event.key === "u" || event.key === "n") {
      const link = document.querySelector(`[data-key=${event.key}]`);
      if (link) { link.click(); }
    } else if (rows().length && event.key === "j") { step(1); }
    else if (rows().length && event.key === "k") { step(-1); }
  });

  const filters = document.getElementById("filters");
  if (filters) {
    filters.addEventListener("change", (event) => { if (event.target.matches("select")) { filters.requestSubmit(); } });
    filters.addEventListener("submit", () => {
      // Empty fields would only make the address longer.
      for (const field of filters.elements) { if (field.name && !field.value) { field.disabled = true; } }
    });
    window.addEventListener("pageshow", () => { for (const field of filters.elements) { field.disabled = false; } });
  }
  for (const form of document.querySelectorAll("form[action='/compare']")) {
    const boxes = [...form.querySelectorAll("input[type=checkbox]")];
    const button = form.querySelector("button");
    if (!boxes.length || !button) { continue; }
    const count = () => { button.disabled = boxes.filter((b) => b.checked).length !== 2; };
    form.addEventListener("change", count);
    window.addEventListener("pageshow", count);
    count();
  }

  const reading = document.querySelector("#count[data-reading]");
  if (reading) {
    const watch = async () => {
      const answer = await fetch("/progress");
      if (!answer.ok) { return; }
      const { read, total } = await answer.json();
      if (read >= total) { location.reload(); return; }
      reading.textContent = `${read.toLocaleString("en")} of ${total.toLocaleString("en")} runs read so far`;
      setTimeout(watch, 1000);
    };
    setTimeout(watch, 700);
  }

  const source = document.body.dataset.live;
  if (source) {
    const line = document.getElementById("live");
    const say = (text) => { line.hidden = false; line.textContent = text; };
    const entries = document.getElementById("entries");
    const events = new EventSource(source);
    let steps = entries.querySelectorAll(".entry.cell").length;
    const cells = () => `${steps} cell${steps === 1 ? "" : "s"}`;
    say(document.body.hasAttribute("data-quiet") ? `Nothing was written for a while; ${cells()} so far.` : `Live: ${cells()} so far.`);
    events.addEventListener("entry", (event) => {
      const { seq, html } = JSON.parse(event.data);
      const frame = document.createElement("template");
      frame.innerHTML = html;
      const fresh = frame.content.querySelector(".entry");
      const old = entries.querySelector(`.entry[data-seq="${Number(seq)}"]`);
      if (old) { old.replaceWith(fresh); } else { entries.append(fresh); }
      const none = document.getElementById("none");
      if (none) { none.remove(); }
      steps = entries.querySelectorAll(".entry.cell").length;
      say(`Live: ${cells()} so far.`);
      window.spatialclawScenes(entries);
    });
    events.addEventListener("end", (event) => {
      document.getElementById("outcome").innerHTML = JSON.parse(event.data).html;
      events.close();
      say(`The run has ended after ${cells()}.`);
    });
    events.addEventListener("error", () => { if (events.readyState === EventSource.CLOSED) { say("No longer live: open the page again."); } });
    window.addEventListener("pagehide", () => events.close());
  }
})();
