import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { Pager, nextOf, pageRows, query } from "../../static/js/documents/pager.js";
import { Arrivals } from "../../static/js/documents/arrivals.js";
import { OpenRows } from "../../static/js/documents/openRows.js";

const ID = "0123456789abcdef01234567";

// A service whose responses the test controls: `respond(json, next)` or `refuse(message)` settles the latest request.
function stubService() {
  const requests = [];
  const fetchPage = (page, signal) =>
    new Promise((resolve, reject) => {
      requests.push({ page, signal, resolve, reject });
      signal.addEventListener("abort", () => reject(new Error("aborted")));
    });
  return {
    fetchPage,
    lastRequest: () => requests.at(-1)?.page,
    async respond(json, next = null, at = -1) {
      requests.at(at).resolve({ json, next });
      await settled();
    },
    async refuse(message) {
      requests.at(-1).reject(new Error(message));
      await settled();
    },
  };
}

const settled = () => new Promise((resolve) => setImmediate(resolve));

describe("pages", () => {
  function start() {
    const service = stubService();
    let left = 0;
    const pages = new Pager(() => {}, { fetchPage: service.fetchPage, onPage: () => (left += 1), now: () => 7 });
    return { service, pages, left: () => left };
  }

  test("a filter's page stays until another one is requested", async () => {
    const { service, pages } = start();
    pages.show('{"a":1}');
    assert.deepEqual(service.lastRequest(), { filter: '{"a":1}', before: null, limit: 20 });
    assert.equal(pages.page, null);
    assert.notEqual(pages.pending, null);
    await service.respond(`[{"_id":"${ID}","a":1.0}]`, "next");
    assert.equal(pages.pending, null);
    assert.equal(pages.page.readAt, 7);
    assert.deepEqual(pages.page.rows.map(({ id, text }) => [id, text]), [[ID, '{"a":1.0}']]);
  });

  test("older and newer keep the filter", async () => {
    const { service, pages, left } = start();
    pages.show("f");
    await service.respond("[]", "p1");
    pages.older();
    assert.deepEqual([service.lastRequest().before, service.lastRequest().filter], ["p1", "f"]);
    await service.respond("[]", "p2");
    pages.older();
    await service.respond("[]", null);
    assert.equal(service.lastRequest().before, "p2");
    assert.equal(pages.older(), undefined); // there is no page after the last
    pages.newer();
    assert.equal(service.lastRequest().before, "p1");
    await service.respond("[]", "p2");
    pages.newest();
    assert.deepEqual(service.lastRequest(), { filter: "f", before: null, limit: 20 });
    await service.respond("[]");
    assert.equal(pages.newer(), undefined);
    pages.live();
    assert.equal(pages.page, null);
    assert.equal(left(), 6); // what was open on a page is closed with it
  });

  test("from the live table, older starts at the last row, or at the newest page without a position", async () => {
    const { service, pages } = start();
    pages.older(ID);
    assert.deepEqual(service.lastRequest(), { filter: "", before: ID, limit: 20 });
    await service.respond("[]");
    pages.newer();
    assert.equal(service.lastRequest().before, null);
    pages.live();
    pages.older(null);
    assert.equal(service.lastRequest().before, null);
  });

  test("a failed request leaves the page, and its problem ends with the next request", async () => {
    const { service, pages } = start();
    pages.show("bad");
    await service.refuse("The filter is not JSON.");
    assert.deepEqual([pages.page, pages.pending, pages.problem], [null, null, "The filter is not JSON."]);
    pages.show("good");
    assert.equal(pages.problem, null);
    await service.respond("[]");
    const shown = pages.page;
    pages.show("bad again");
    await service.refuse("No.");
    assert.equal(pages.page, shown);
  });

  test("a late response changes nothing", async () => {
    const { service, pages } = start();
    pages.show("slow");
    pages.live();
    await service.respond('[{"_id":"late"}]');
    assert.deepEqual([pages.page, pages.problem], [null, null]);
    pages.show("slow");
    pages.show("quick");
    await service.respond('[{"_id":"quick"}]');
    await service.respond('[{"_id":"slow"}]', null, -2);
    assert.equal(pages.page.rows[0].id, "quick");
  });

  test("parameters are encoded, and left out when empty", () => {
    assert.equal(query({ filter: '{"a": "&b"}', before: "~a+b=", limit: 20 }).toString(), "limit=20&before=%7Ea%2Bb%3D&filter=%7B%22a%22%3A+%22%26b%22%7D");
    assert.equal(query({ filter: "", before: null, limit: 20 }).toString(), "limit=20");
  });

  test("the next position is the one in the link", () => {
    assert.equal(nextOf('</api/documents?limit=20&before=~a%2Bb&filter=%7B%7D>; rel="next"'), "~a+b");
    assert.equal(nextOf(null), null);
    assert.equal(nextOf("nonsense"), null);
  });
});

describe("a page's rows", () => {
  test("keep their numbers, and have unique keys for ids that look the same", () => {
    const parsed = pageRows(`[{"_id":"${ID}","n":9007199254740993,"whole":1.0},{"_id":"5"},{"_id":"5"}]`);
    assert.equal(parsed[0].text, '{"n":9007199254740993,"whole":1.0}');
    assert.equal(parsed[0].whole, `{"_id":"${ID}","n":9007199254740993,"whole":1.0}`);
    assert.equal(parsed[0].inserted, new Date(0x01234567 * 1_000).toISOString());
    assert.equal(parsed[1].inserted, null);
    assert.equal(new Set(parsed.map(({ key }) => key)).size, 3);
  });
});

describe("an open row", () => {
  const live = { id: ID, document: { n: 1 }, text: '{"n":1.0}', inserted: null, truncated: false };

  test("shows a live row with its id, as the service writes it", () => {
    const rows = new OpenRows(() => {});
    rows.toggle(live);
    assert.equal(rows.get(live).text, `{"_id":"${ID}","n":1.0}`);
    const seven = { ...live, id: "7", text: null, document: {} };
    rows.toggle(seven);
    assert.equal(rows.get(seven).text, '{"_id":7}');
    rows.toggle(live);
    assert.equal(rows.get(live), undefined);
  });

  test("fetches a truncated document, and retries after a failure", async () => {
    const answers = [() => Promise.reject(new Error("The service does not answer.")), () => Promise.resolve("{}")];
    const rows = new OpenRows(() => {}, { fetchText: () => answers.shift()(), now: () => 7 });
    const cut = { ...live, truncated: true };
    rows.toggle(cut);
    const entry = rows.get(cut);
    assert.equal(entry.text, null);
    await settled();
    assert.equal(entry.problem, "The service does not answer.");
    rows.retry(entry);
    assert.equal(entry.problem, null);
    await settled();
    assert.deepEqual([entry.text, entry.readAt], ["{}", 7]);
  });

  test("follows changes of its document, and keeps the text that was fetched", async () => {
    let fetches = 0;
    const rows = new OpenRows(() => {}, { fetchText: () => Promise.resolve(`"read ${(fetches += 1)}"`) });
    rows.toggle(live);
    assert.equal(rows.get({ ...live, text: '{"n":2.0}' }).text, `{"_id":"${ID}","n":2.0}`);
    assert.equal(rows.get({ ...live, truncated: true }).text, null);
    await settled();
    assert.equal(rows.get({ ...live, truncated: true }).text, '"read 1"');
    assert.equal(fetches, 1);
    assert.equal(rows.get(live).text, `{"_id":"${ID}","n":1.0}`);
  });

  test("aborts its request when it is closed", async () => {
    let signal;
    const rows = new OpenRows(() => {}, { fetchText: (id, given) => ((signal = given), new Promise(() => {})) });
    rows.toggle({ ...live, truncated: true });
    rows.clear();
    assert.equal(signal.aborted, true);
    assert.deepEqual(rows.rows(), []);
  });
});

describe("arrivals", () => {
  const rows = (...ids) => ids.map((id) => ({ id }));

  test("are new for four seconds, except in the first list", () => {
    const arrivals = new Arrivals();
    assert.deepEqual(arrivals.update(rows("a"), 0), new Set());
    assert.deepEqual(arrivals.update(rows("b", "a"), 1_000), new Set(["b"]));
    assert.deepEqual(arrivals.update(rows("b", "a"), 4_999), new Set(["b"]));
    assert.deepEqual(arrivals.update(rows("b", "a"), 5_000), new Set());
  });

  test("mark the reader's own document for half a minute", () => {
    const arrivals = new Arrivals();
    assert.equal(arrivals.own(0), null);
    arrivals.change("a", 0, "Replaced");
    assert.deepEqual([arrivals.own(29_999).id, arrivals.own(29_999).word, arrivals.own(30_000)], ["a", "Replaced", null]);
  });
});
