// What every page can do: theme, keys, pictures in large. Without it the page can still be read.
"use strict";
(() => {
  const root = document.documentElement;
  const button = document.getElementById("theme");
  const wanted = window.matchMedia("(prefers-color-scheme: dark)");
  const kept = () => { try { return localStorage.getItem("spatialclaw-theme"); } catch { return null; } };
  const dark = () => (root.dataset.theme ? root.dataset.theme === "dark" : wanted.matches);
  const name = () => { if (button) { button.textContent = dark() ? "Light" : "Dark"; } };
  const before = kept();
  if (before === "dark" || before === "light") { root.dataset.theme = before; }
  if (button) {
    button.hidden = false;
    button.addEventListener("click", () => {
      root.dataset.theme = dark() ? "light" : "dark";
      try { localStorage.setItem("spatialclaw-theme", root.dataset.theme); } catch { /* a page from a file has no store */ }
      name();
      document.dispatchEvent(new Event("themechange"));
    });
    wanted.addEventListener("change", () => { name(); document.dispatchEvent(new Event("themechange")); });
    name();
  }

  // j and k go from step to step, f to the next failure.
  const go = (step, selector, around = false) => {
    const all = [...document.querySelectorAll(selector)];
    if (!all.length) { return; }
    const now = document.querySelector(".entry.current");
    const top = now ? now.getBoundingClientRect().top : 70;
    let later = step > 0
      ? all.find((e) => e !== now && e.getBoundingClientRect().top > top + 1)
      : all.reverse().find((e) => e !== now && e.getBoundingClientRect().top < top - 1);
    if (!later && around && all.length) { later = all[0]; }
    if (!later) { return; }
    if (now) { now.classList.remove("current"); }
    later.classList.add("current");
    later.scrollIntoView({ block: "start" });
    const link = later.querySelector("h3 a");
    if (link) { link.focus({ preventScroll: true }); }
  };
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) { return; }
    if (event.target.closest("input, textarea, select, .scene, dialog")) { return; }
    if (event.key === "j") { go(1, ".entry"); }
    else if (event.key === "k") { go(-1, ".entry"); }
    else if (event.key === "f") { go(1, ".entry.failed", true); }
  });
  document.addEventListener("click", (event) => {
    const link = event.target.closest("[data-jump-failure]");
    if (link) { event.preventDefault(); go(1, ".entry.failed", true); }
  });

  // A picture that is shown twice is in the page once.
  for (const image of document.querySelectorAll("img[data-same]")) {
    const first = document.getElementById(image.dataset.same);
    if (first) { image.src = first.src; }
  }

  let dialog = null;
  document.addEventListener("click", (event) => {
    const link = event.target.closest("[data-zoom]");
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey) { return; }
    event.preventDefault();
    if (!dialog) {
      dialog = document.createElement("dialog");
      dialog.className = "zoom";
      dialog.setAttribute("aria-label", "Picture");
      dialog.append(document.createElement("img"));
      dialog.addEventListener("click", () => dialog.close());
      document.body.append(dialog);
    }
    const small = link.querySelector("img");
    const large = dialog.querySelector("img");
    large.src = small.src;
    large.alt = small.alt;
    dialog.showModal();
  });
})();
