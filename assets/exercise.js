// Says on every page that an exercise runs: a bar above all, and the words across the page, on paper too. A page that
// follows the live stream hears of it there (the event `exercise` of the document); any other asks once a second.
(() => {
  const WORDS = "演练 EXERCISE"; // in both languages on every page: whoever sees a screen must know
  const ASK_EVERY_MS = 1000;
  const TRUST_STREAM_MS = 12_000; // it beats every five seconds
  const TILES = 48;
  let streamAt = Number.NEGATIVE_INFINITY;

  const make = (tag, className, text = "") => Object.assign(document.createElement(tag), { className, textContent: text });

  const bar = make("p", "exercise-bar");
  const tiles = make("div", "exercise-tiles");
  bar.setAttribute("role", "status");
  tiles.setAttribute("aria-hidden", "true");
  // By a pseudo-element: words that are in the way of nothing, neither of a reader's selection nor of a search.
  for (let i = 0; i < TILES; i++) tiles.append(make("i", ""));

  const say = (exercise) => {
    const text = exercise ? `${WORDS} · ${exercise.name} → ${exercise.ends}` : "";
    if (bar.textContent === text && bar.isConnected === Boolean(exercise)) return;
    bar.textContent = text;
    document.documentElement.toggleAttribute("data-exercise", Boolean(exercise));
    if (exercise) {
      document.body.prepend(bar);
      document.body.append(tiles);
    } else {
      bar.remove();
      tiles.remove();
    }
  };

  document.addEventListener("exercise", (event) => {
    streamAt = performance.now();
    say(event.detail);
  });

  const ask = async () => {
    if (document.hidden || performance.now() - streamAt < TRUST_STREAM_MS) return;
    const answer = await fetch("/api/public/exercise", { cache: "no-store" }).catch(() => null);
    // While the server is away the page says what it was told last.
    if (answer?.ok && performance.now() - streamAt >= TRUST_STREAM_MS) say((await answer.json()).exercise);
  };
  const begin = () => {
    void ask();
    setInterval(() => void ask(), ASK_EVERY_MS);
    document.addEventListener("visibilitychange", () => void ask());
  };
  if (document.body) begin();
  else document.addEventListener("DOMContentLoaded", begin);
})();
