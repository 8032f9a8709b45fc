// Sends a form once, says so, and says when the tool was not reached. Without this script the forms work all the same:
// the tool acts once on each, whatever is tapped how often.
"use strict";

(() => {
  const said = document.getElementById("sending");
  const words = document.body.dataset;

  function free(form) {
    delete form.dataset.sent;
    for (const button of form.querySelectorAll("button")) button.removeAttribute("aria-disabled");
  }

  function show(page, address) {
    const fresh = new DOMParser().parseFromString(page, "text/html");
    const content = document.getElementById("content");
    content.replaceWith(document.importNode(fresh.getElementById("content"), true));
    document.title = fresh.title;
    const back = ".languages [name=back]";
    document.querySelector(back).value = fresh.querySelector(back).value;
    if (address) history.replaceState(null, "", address);
    said.textContent = "";
    begin();
  }

  async function send(form) {
    if (form.dataset.sent) return;
    form.dataset.sent = "yes";
    for (const button of form.querySelectorAll("button")) button.setAttribute("aria-disabled", "true");
    said.textContent = words.sending;
    try {
      const answer = await fetch(form.action, { method: "POST", body: new URLSearchParams(new FormData(form)) });
      show(await answer.text(), answer.redirected ? answer.url : null);
    } catch {
      // Whether it arrived nobody knows here. Its key is the same the next time, so that it cannot act twice.
      said.textContent = words.offline;
      free(form);
    }
  }

  function begin() {
    for (const form of document.querySelectorAll("form[data-once]")) {
      form.addEventListener("submit", (event) => {
        event.preventDefault();
        send(form);
      });
    }
    const told = document.querySelector("[data-focus]");
    if (told) told.focus();
  }

  // A page that comes back out of the browser's memory shows what was: ask again.
  window.addEventListener("pageshow", (event) => event.persisted && location.reload());
  begin();
})();
