// Sets the colours that the reader has chosen before the page is first painted. It is a script of its own that blocks the parser: a
// module would run later, and the page would flash. Without a choice the system's counts.
(() => {
  let theme = null;
  try {
    theme = localStorage.getItem("theme");
  } catch {
    // a browser without storage
  }
  if (theme !== "light" && theme !== "dark") return;
  document.documentElement.dataset.theme = theme;
  document.querySelector('meta[name="color-scheme"]').setAttribute("content", theme);
})();
