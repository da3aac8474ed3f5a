// What is wrong with the texts that a wall shows now: too small to be read from afar, cut, off the screen, outside
// their panel, or over each other. A text's box is that of its letters: the font's line is higher than any of them.
() => {
  const least = Math.min(innerWidth, innerHeight) / 60 - 0.51;
  const root = document.querySelector("[data-screen]");
  const texts = [];
  const walker = document.createTreeWalker(root, NodeFilter.SHOW_TEXT);
  for (let node; (node = walker.nextNode()); ) {
    const of = node.parentElement;
    if (!node.textContent.trim() || !of.checkVisibility({ opacityProperty: true, visibilityProperty: true })) continue;
    const range = document.createRange();
    range.selectNodeContents(node);
    const size = parseFloat(getComputedStyle(of).fontSize);
    const words = node.textContent.trim();
    const [above, below] = /[\u2e80-\uffff]/.test(words) ? [0.28, 0.17] : [0.42, 0.25];
    for (const { left, right, top, bottom } of range.getClientRects())
      texts.push({ of, size, words, left, right, top: top + above * size, bottom: bottom - below * size });
  }
  const isIn = (box, frame) =>
    box.left >= frame.left - 1 && box.right <= frame.right + 1 && box.top >= frame.top - 1 && box.bottom <= frame.bottom + 1;
  const cuts = (element) => {
    const { overflowX, overflowY } = getComputedStyle(element);
    return (overflowX !== "visible" || overflowY !== "visible") && element.namespaceURI.endsWith("xhtml");
  };
  const screen = { left: 0, top: 0, right: innerWidth, bottom: innerHeight };
  const faults = [];
  const blame = (fault, { of, words }, ...more) =>
    faults.push([fault, words, of.className.baseVal ?? of.className, of.closest("[data-panel], [data-slot]")?.className, ...more].join(" | "));
  texts.forEach((text, i) => {
    if (text.size < least) blame("small", text, text.size);
    if (!isIn(text, screen)) return blame("off the screen", text);
    const panel = text.of.closest("[data-figure], [data-panel], .header, .hero");
    if (panel && !isIn(text, panel.getBoundingClientRect())) return blame("out of its panel", text);
    for (let up = text.of; up !== root; up = up.parentElement)
      if (cuts(up) && (!isIn(text, up.getBoundingClientRect()) || (up === text.of && up.scrollWidth > up.clientWidth + 1)))
        return blame("cut", text, up.className);
    for (const other of texts.slice(i + 1)) {
      const width = Math.min(text.right, other.right) - Math.max(text.left, other.left);
      const height = Math.min(text.bottom, other.bottom) - Math.max(text.top, other.top);
      const slack = 0.12 * text.size; // corners may touch
      if (width > slack && height > slack) blame("over another", text, other.words);
    }
  });
  return [texts.length, faults];
}
