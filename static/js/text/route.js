// The page's addresses, in the part after "#": "#/pods/mongodb-0/<uid>/logs?level=error". Pure. A fragment that does not begin with
// "/" is an anchor of the page, or a login link's token.

// Returns {place, parts, query} of a fragment; null if it names no place.
export function parseRoute(hash) {
  if (!hash.startsWith("#/")) return null;
  const [path, query = ""] = hash.slice(2).split(/\?(.*)/s);
  try {
    const [place, ...parts] = path.split("/").map(decodeURIComponent);
    return { place, parts: parts.filter(Boolean), query: Object.fromEntries(new URLSearchParams(query)) };
  } catch {
    return null; // a malformed escape
  }
}

// Returns the fragment of a place. Parts and parameters without a value are left out.
export function formatRoute(place, parts = [], query = {}) {
  const path = [place, ...parts.filter(Boolean)].map(encodeURIComponent).join("/");
  const given = new URLSearchParams(Object.entries(query).filter(([, value]) => value !== null && value !== undefined && value !== ""));
  return given.size > 0 ? `#/${path}?${given}` : `#/${path}`;
}
