"use strict";
(function () {
  var about = document.getElementById("about"), pinned = null;
  function others(item) {
    return (item.getAttribute("data-o") || "").split(" ").filter(Boolean).map(function (id) { return document.getElementById(id); });
  }
  function clear() {
    document.querySelectorAll(".on,.chosen").forEach(function (item) { item.classList.remove("on", "chosen"); });
  }
  function show(item) {
    clear();
    item.classList.add("on", "chosen");
    others(item).forEach(function (other) { if (other) { other.classList.add("on"); } });
    about.textContent = item.getAttribute("data-t");
  }
  function of(event) { return event.target.closest ? event.target.closest("[data-t]") : null; }
  document.addEventListener("mouseover", function (event) { var item = of(event); if (item && !pinned) { show(item); } });
  document.addEventListener("focusin", function (event) { var item = of(event); if (item && !pinned) { show(item); } });
  function choose(item) {
    pinned = pinned === item ? null : item;
    show(item);
    var first = others(item)[0];
    if (pinned && first) { first.scrollIntoView({block: "nearest"}); }
  }
  document.addEventListener("click", function (event) { var item = of(event); if (item) { choose(item); } });
  document.addEventListener("keydown", function (event) {
    var item = of(event);
    if (event.key === "Escape") { pinned = null; clear(); }
    if (item && (event.key === "Enter" || event.key === " ")) { event.preventDefault(); choose(item); }
    if (item && event.key === "ArrowRight" || item && event.key === "ArrowLeft") {
      var first = others(item)[0];
      if (first) { event.preventDefault(); pinned = null; first.focus(); }
    }
  });
})();
