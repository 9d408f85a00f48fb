"use strict";
(() => {
  const byId = (id) => document.getElementById(id);
  const tools = document.querySelector(".tools");
  const items = [...document.querySelectorAll(".item")];
  const texts = items.map((item) => item.textContent.toLowerCase());
  const filter = () => {
    const words = byId("search").value.toLowerCase().split(/\s+/).filter(Boolean);
    const effect = byId("effect")?.value ?? "";
    const cause = byId("cause")?.value ?? "";
    let shown = 0;
    items.forEach((item, index) => {
      const has = (list, value) => value === "" || list.split(" ").includes(value);
      const visible = words.every((word) => texts[index].includes(word))
        && has(item.dataset.effects, effect) && has(item.dataset.causes, cause);
      item.hidden = !visible;
      shown += visible;
    });
    byId("shown").value = `${shown} of ${items.length}`;
  };
  const fold = (open) => items.forEach((item) => { if (!item.hidden) item.open = open; });
  tools.hidden = items.length === 0;
  tools.addEventListener("submit", (event) => event.preventDefault());
  tools.addEventListener("input", filter);
  byId("open").addEventListener("click", () => fold(true));
  byId("close").addEventListener("click", () => fold(false));
  filter();
})();
