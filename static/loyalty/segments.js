// The rule builder without reloading: the page works the same without this. The form is sent as it is and the
// part of the answer that changed takes the place of the old one.
(() => {
  const page = () => document.querySelector("#builder");
  let waiting, running;

  async function send(button, parts) {
    const form = page().querySelector("form[data-live]");
    const said = new FormData(form);
    said.append(button.name, button.value);
    running?.abort();
    running = new AbortController();
    const answer = await fetch(location.href, { method: "POST", body: said, signal: running.signal });
    if (!answer.ok) return;
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
    for (const part of parts) document.querySelector(part).replaceWith(fresh.querySelector(part));
  }

  const quietly = (promise) => promise.catch((error) => { if (error.name !== "AbortError") throw error; });

  document.addEventListener("click", (event) => {
    const button = event.target.closest("#builder button[name=add], #builder button[name=drop]");
    if (!button) return;
    event.preventDefault();
    quietly(send(button, ["#builder"]).then(() => {
      const last = [...page().querySelectorAll(".l-condition input:not([type=hidden]), .l-condition select")];
      (button.name === "add" && last.length ? page().querySelector(".l-condition:last-of-type :is(input:not([type=hidden]), select)") : page().querySelector("#new-condition"))?.focus();
    }));
  });

  for (const kind of ["input", "change"]) {
    document.addEventListener(kind, (event) => {
      if (!event.target.closest("#builder form[data-live]") || event.target.id === "new-condition") return;
      clearTimeout(waiting);
      waiting = setTimeout(() => quietly(send({ name: "preview", value: "1" }, ["#preview"])), 500);
    });
  }
})();
