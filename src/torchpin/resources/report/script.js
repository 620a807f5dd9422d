"use strict";
(() => {
  const find = document.getElementById("find");
  const show = document.getElementById("show");
  const sort = document.getElementById("sort");
  const list = document.getElementById("cards");
  const cards = [...list.children];
  const parts = [...document.querySelectorAll("[data-service]")].filter((part) => !cards.includes(part));

  const compare = {
    rank: (a, b) => b.dataset.rank - a.dataset.rank || compare.name(a, b),
    name: (a, b) => a.dataset.service.localeCompare(b.dataset.service),
    bytes: (a, b) => b.dataset.bytes - a.dataset.bytes,
    age: (a, b) => b.dataset.age - a.dataset.age,
  };

  function update() {
    const words = find.value.toLowerCase().split(/\s+/).filter(Boolean);
    const shown = new Set();
    for (const card of cards) {
      const fits = words.every((word) => card.dataset.text.includes(word));
      card.hidden = !fits || (show.value !== "" && card.dataset.state !== show.value);
      if (!card.hidden) shown.add(card.dataset.service);
    }
    for (const part of parts) part.hidden = !part.dataset.service.split("\n").some((name) => shown.has(name));
    document.getElementById("none").hidden = shown.size > 0;
    document.getElementById("count").textContent = `${shown.size} of ${cards.length} services`;
  }

  function order() {
    cards.sort(compare[sort.value]);
    list.append(...cards);
  }

  find.addEventListener("input", update);
  show.addEventListener("change", update);
  sort.addEventListener("change", order);
  const form = document.getElementById("controls");
  form.addEventListener("submit", (event) => event.preventDefault());
  form.hidden = cards.length < 2;

  // what is folded on a screen is printed in full
  const folded = () => document.querySelectorAll("details:not([open])");
  let opened = [];
  addEventListener("beforeprint", () => { opened = [...folded()]; opened.forEach((part) => { part.open = true; }); });
  addEventListener("afterprint", () => { opened.forEach((part) => { part.open = false; }); });
  update();
})();
