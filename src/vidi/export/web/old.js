// For browsers in which the page does not start: read by all of them, so it is written as scripts were in 2010.

(function () {
  "use strict";
  var CURRENT = "Open this address in a current Chrome, Edge, Firefox or Safari.";

  function say(place, sentence) {
    var line = document.createElement("p");
    line.appendChild(document.createTextNode(sentence));
    place.appendChild(line);
    place.hidden = false;
    place.removeAttribute("hidden");
  }

  window.addEventListener("load", function () {
    if (document.documentElement.getAttribute("data-started")) return; // the page's own modules run
    var isOld = !("noModule" in document.createElement("script"));
    var lead = document.getElementById("lead");
    lead.textContent = isOld ? "This browser is too old for this page." : "This page did not start.";
    say(
      document.getElementById("notice"),
      isOld
        ? "It cannot load JavaScript modules, of which the page is made; the model runs in the browser. " + CURRENT
        : "Either a file of the page did not arrive, or this browser is too old. Load the page again. " + CURRENT
    );
  });
})();
