"use strict";
for (const choice of document.querySelectorAll("input[name=language]")) {
  choice.addEventListener("change", () => { document.body.dataset.language = choice.value; });
}
for (const script of document.querySelectorAll("script[data-drawing]")) {
  const place = document.getElementById(script.dataset.drawing);
  window.vegaEmbed(place, JSON.parse(script.textContent), { actions: false, renderer: "svg" })
    .then(() => { place.dataset.drawn = "yes"; })
    .catch((error) => { place.textContent = String(error); console.error(error); });
}
