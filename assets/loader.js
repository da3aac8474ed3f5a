// Starts the live screens. Dash includes this classic script on every page; the bundle itself is an ES module.
(function () {
  const style = document.createElement("link");
  style.rel = "stylesheet";
  style.href = "/assets/build/county-brain.css";
  document.head.append(style);
  import("/assets/build/county-brain.js").catch(function (error) {
    console.error("the bundle is missing: run `make setup`", error);
  });
})();
