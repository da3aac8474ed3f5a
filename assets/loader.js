// Starts the live screens. Dash includes this classic script on every page; the bundle itself is an ES module.
(async () => {
  const build = new URL("build/", document.currentScript.src);
  try {
    // The version is asked for first, so that a browser never runs a bundle cached before an upgrade.
    const answer = await fetch(new URL("version.txt", build), { cache: "no-cache" });
    if (!answer.ok) throw new Error(`HTTP ${answer.status}`);
    const version = await answer.text();
    const style = document.createElement("link");
    style.rel = "stylesheet";
    style.href = new URL(`county-brain.css?v=${version}`, build);
    // The map measures its container when it starts, so the style sheet has to be there first.
    await new Promise((done) => {
      style.onload = style.onerror = done;
      document.head.append(style);
    });
    await import(new URL(`county-brain.js?v=${version}`, build));
  } catch (error) {
    console.error("the bundle is missing: run `make setup`", error);
  }
})();
