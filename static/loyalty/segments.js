// The rule builder without reloading: the page works the same without this. The form is sent as it is, and the
// part of the answer that changed takes the place of the old one.
(() => {
  let timer, counting, isBuilding = false;

  async function send(button, part, signal) {
    const said = new FormData(document.querySelector("#builder form[data-live]"));
    said.append(button.name, button.value);
    const answer = await fetch(location.href, { method: "POST", body: said, signal });
    if (!answer.ok) return;
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
    document.querySelector(part).replaceWith(fresh.querySelector(part));
  }

  function count() {
    if (isBuilding) return;
    counting?.abort();
    counting = new AbortController();
    send({ name: "preview", value: "1" }, "#preview", counting.signal).catch((error) => {
      if (error.name !== "AbortError") throw error;
    });
  }

  // Adding and removing are never given up for a count.
  async function build(button) {
    clearTimeout(timer);
    counting?.abort();
    isBuilding = true;
    try {
      await send(button, "#builder");
    } finally {
      isBuilding = false;
    }
    const inputs = ".l-condition:last-of-type :is(input:not([type=hidden]), select)";
    const next = button.name === "add" ? document.querySelector(inputs) : null;
    (next ?? document.querySelector("#new-condition"))?.focus();
  }

  document.addEventListener("click", (event) => {
    const button = event.target.closest("#builder :is(button[name=add], button[name=drop])");
    if (!button) return;
    event.preventDefault();
    if (!isBuilding) build(button);
  });

  for (const kind of ["input", "change"]) {
    document.addEventListener(kind, (event) => {
      if (!event.target.closest("#builder form[data-live]") || event.target.id === "new-condition") return;
      clearTimeout(timer);
      timer = setTimeout(count, 500);
    });
  }
})();
