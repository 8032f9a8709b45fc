// Keeps a page up to date: listens to server-sent events, fetches the page again, and replaces the parts that differ.
// Without this script the page works all the same and reloads itself from time to time.
"use strict";

(() => {
  const body = document.body;
  const source = body.dataset.live;
  const connection = document.getElementById("connection");
  const announcement = document.getElementById("announcement");
  const FALL_BACK_MS = 15000;
  let seen = body.dataset.seen;
  let stream = null;
  let fallBack = 0;
  let fetching = null;
  let dragging = false;

  const states = {
    live: "live · verbunden",
    lost: "reconnecting · Verbindung unterbrochen",
  };

  function showConnection(state) {
    if (!connection) return;
    connection.hidden = false;
    connection.className = "connection " + state;
    if (connection.textContent !== states[state]) connection.textContent = states[state];
  }

  const focusable = "a[href], button, input, select, summary, [tabindex]";

  // Where the focus is, so that it can be put back into a part that was replaced.
  function focusIn(part) {
    const active = document.activeElement;
    if (!active || !part.contains(active)) return null;
    const anchor = active.closest("[id]");
    const scope = anchor && part.contains(anchor) ? anchor : part;
    const place = scope === active ? -1 : [...scope.querySelectorAll(focusable)].indexOf(active);
    return { id: scope.id, place };
  }

  function focusAgain(focus) {
    const scope = focus && document.getElementById(focus.id);
    if (!scope) return;
    const target = focus.place < 0 ? scope : scope.querySelectorAll(focusable)[focus.place];
    if (target) target.focus({ preventScroll: true });
  }

  // What somebody is looking at, by its name and its place on the screen: it stays there, whatever is replaced above it.
  function lookedAt() {
    if (!scrollY) return null;
    const visible = (element) => {
      const box = element.getBoundingClientRect();
      return box.height > 0 && box.bottom > 0 && box.top < innerHeight;
    };
    const active = document.activeElement && document.activeElement.closest("main [id]");
    const named = active ? [active] : [...document.querySelectorAll("main [id]:not(svg *)")];
    const element = named.find((each) => visible(each) && each.getBoundingClientRect().top >= 0) || named.find(visible);
    return element ? { id: element.id, top: element.getBoundingClientRect().top } : null;
  }

  function lookAgain(looked) {
    const element = looked && document.getElementById(looked.id);
    if (element) window.scrollBy(0, element.getBoundingClientRect().top - looked.top);
  }

  function replace(part, fresh) {
    const focus = focusIn(part);
    const open = [...part.querySelectorAll("details[open]")].map((details) => details.id);
    const scrolled = part.scrollLeft;
    for (const id of open) {
      const details = id && fresh.querySelector("#" + CSS.escape(id));
      if (details) details.open = true;
    }
    const moved = part.dataset.state !== fresh.dataset.state;
    part.replaceWith(fresh);
    if (fresh.dataset.say && fresh.dataset.say !== part.dataset.say) announcement.textContent = fresh.dataset.say;
    fresh.scrollLeft = scrolled;
    if (moved) showPlace();
    fresh.classList.add("changed");
    focusAgain(focus);
  }

  function adopt(text) {
    const fresh = new DOMParser().parseFromString(text, "text/html");
    if (fresh.body.dataset.live !== source) {
      location.reload();
      return;
    }
    seen = fresh.body.dataset.seen;
    const looked = lookedAt();
    for (const part of document.querySelectorAll("[data-part]")) {
      const other = fresh.getElementById(part.id);
      if (!other) continue;
      const busy = dragging && part.contains(document.activeElement);
      const now = part.cloneNode(true);
      now.classList.remove("changed");
      if (!now.classList.length) now.removeAttribute("class");
      for (const details of now.querySelectorAll("details[open]")) details.open = false;
      if (!busy && now.outerHTML !== other.outerHTML) replace(part, document.importNode(other, true));
    }
    lookAgain(looked);
    listenToSlider();
  }

  async function show(address) {
    if (fetching) fetching.abort();
    const attempt = (fetching = new AbortController());
    try {
      const response = await fetch(address, { headers: { Accept: "text/html" }, signal: attempt.signal });
      if (response.ok) adopt(await response.text());
    } catch (error) {
      if (error.name !== "AbortError") showConnection("lost");
    } finally {
      if (fetching === attempt) fetching = null;
    }
  }

  function listen() {
    if (stream) return;
    stream = new EventSource(source);
    const changed = (event) => {
      if (event.lastEventId !== seen) show(location.href);
    };
    stream.addEventListener("gateway", changed);
    stream.addEventListener("fleet", changed);
    stream.addEventListener("open", () => {
      clearInterval(fallBack);
      showConnection("live");
    });
    stream.addEventListener("error", () => {
      showConnection("lost");
      // A stream that the service refuses is closed for good: look from time to time instead.
      if (stream && stream.readyState === EventSource.CLOSED) {
        stream = null;
        clearInterval(fallBack);
        fallBack = setInterval(() => show(location.href), FALL_BACK_MS);
      }
    });
  }

  function stop() {
    clearInterval(fallBack);
    if (stream) stream.close();
    stream = null;
  }

  // The diagram is wider than a phone: begin where the gateway is.
  function showPlace() {
    const drawing = document.getElementById("drawing");
    const here = drawing && drawing.querySelector(".current");
    if (!here || drawing.scrollWidth <= drawing.clientWidth) return;
    const box = here.getBoundingClientRect();
    const frame = drawing.getBoundingClientRect();
    drawing.scrollLeft += box.left + box.width / 2 - frame.left - frame.width / 2;
  }

  function listenToSlider() {
    const slider = document.getElementById("until");
    const output = document.getElementById("until-shown");
    if (!slider || slider.dataset.heard) return;
    slider.dataset.heard = "yes";
    slider.addEventListener("input", () => {
      dragging = true;
      output.textContent = slider.value;
    });
    slider.addEventListener("change", () => {
      dragging = false;
      const address = new URL(slider.form.action);
      if (slider.value !== slider.max) address.searchParams.set("until", slider.value);
      history.pushState(null, "", address);
      show(address);
    });
  }

  document.addEventListener("visibilitychange", () => (document.hidden ? stop() : listen()));
  window.addEventListener("popstate", () => show(location.href));
  window.addEventListener("pagehide", stop);
  window.addEventListener("pageshow", () => !document.hidden && listen());
  listenToSlider();
  showPlace();
  listen();
})();
