// Looks at another stretch of time without leaving the page. Without this script the links do the same.
"use strict";

(() => {
  const shown = document.getElementById("shown");
  const trouble = document.getElementById("trouble");
  const announcement = document.getElementById("announcement");
  let latest = 0;

  const say = (text) => { announcement.textContent = text; };

  function draw() {
    const place = document.getElementById("chart");
    if (place !== null) Chart.draw(place, say, (address) => go(address, true));
  }

  function tell(text) {
    trouble.textContent = text;
    trouble.hidden = !text;
  }

  async function go(address, forward) {
    const mine = ++latest;
    // The page's own address may have a password in it, which is not to be in a request.
    const to = new URL(address, location.origin);
    const call = new URL(`/page/values${to.search}`, location.origin);
    const wasOpen = shown.querySelector("details")?.open ?? false;
    const focused = document.activeElement?.id;
    shown.setAttribute("aria-busy", "true");
    tell("");
    try {
      const answer = await fetch(call, { headers: { Accept: "application/json" } });
      const told = await answer.json();
      if (mine !== latest) return;
      if (!answer.ok) {
        tell(told.error);
        return;
      }
      const fresh = new DOMParser().parseFromString(told.shown, "text/html");
      shown.replaceChildren(...document.importNode(fresh.body, true).childNodes);
      const details = shown.querySelector("details");
      if (details !== null) details.open = wasOpen;
      document.title = document.title.replace(/^.* · /, `${told.title} · `);
      if (forward) history.pushState(null, "", to.pathname + to.search);
      document.querySelector(".language").search = `${to.search}&lang=${document.querySelector(".language").lang}`;
      (document.getElementById(focused) ?? document.getElementById("title")).focus({ preventScroll: true });
      say(told.title);
      draw();
    } catch (error) {
      if (mine === latest) tell(shown.dataset.lost);
      if (!(error instanceof TypeError || error instanceof SyntaxError)) throw error;
    } finally {
      if (mine === latest) shown.removeAttribute("aria-busy");
    }
  }

  shown.addEventListener("click", (event) => {
    const link = event.target.closest("a[data-swap]");
    if (link === null || event.ctrlKey || event.metaKey || event.shiftKey || event.button !== 0) return;
    event.preventDefault();
    go(link.getAttribute("href"), true);
  });

  shown.addEventListener("submit", (event) => {
    const form = event.target.closest("form[data-swap]");
    if (form === null) return;
    event.preventDefault();
    go(`/page/consumption?${new URLSearchParams(new FormData(form))}`, true);
  });

  window.addEventListener("popstate", () => go(location.pathname + location.search, false));
  draw();
})();
