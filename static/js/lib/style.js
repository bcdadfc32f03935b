// Style sheets of the parts that load when they open.

// Loads a style sheet of static/css once. Resolves when it applies.
export function loadStyle(name) {
  const href = new URL(`../../css/${name}.css`, import.meta.url).href;
  const present = Array.from(document.styleSheets).some((sheet) => sheet.href === href);
  if (present) return Promise.resolve();
  return new Promise((resolve, reject) => {
    const link = document.createElement("link");
    Object.assign(link, { rel: "stylesheet", href, onload: resolve });
    link.onerror = () => {
      link.remove();
      reject(new Error(`${name}.css did not load.`));
    };
    document.head.append(link);
  });
}
