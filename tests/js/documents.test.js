import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { nextOf, pageRows, pager, query } from "../../static/js/documents/pager.js";
import { opened } from "../../static/js/documents/openRows.js";

const ID = "0123456789abcdef01234567";

// A service whose answers are let go one by one: `answer(json, next)` or `refuse(words)` settles the oldest question.
function service() {
  const questions = [];
  const fetchPage = (asked, signal) =>
    new Promise((resolve, reject) => {
      questions.push({ asked, signal, resolve, reject });
      signal.addEventListener("abort", () => reject(new Error("aborted")));
    });
  return {
    fetchPage,
    asked: () => questions.at(-1)?.asked,
    async answer(json, next = null, at = -1) {
      questions.at(at).resolve({ json, next });
      await settled();
    },
    async refuse(words) {
      questions.at(-1).reject(new Error(words));
      await settled();
    },
  };
}

const settled = () => new Promise((resolve) => setImmediate(resolve));

describe("pages", () => {
  function start() {
    const asked = service();
    let left = 0;
    const pages = pager(() => {}, { fetchPage: asked.fetchPage, onPage: () => (left += 1), now: () => 7 });
    return { asked, pages, left: () => left };
  }

  test("a filter is asked for once, and its page stays until something else is asked for", async () => {
    const { asked, pages } = start();
    pages.show('{"a":1}');
    assert.deepEqual(asked.asked(), { filter: '{"a":1}', before: null, limit: 20 });
    assert.equal(pages.page, null);
    assert.notEqual(pages.asking, null);
    await asked.answer(`[{"_id":"${ID}","a":1.0}]`, "next");
    assert.equal(pages.asking, null);
    assert.equal(pages.page.readAt, 7);
    assert.deepEqual(pages.page.rows.map(({ id, text }) => [id, text]), [[ID, '{"a":1.0}']]);
  });

  test("older leads on and newer leads back, with the filter", async () => {
    const { asked, pages, left } = start();
    pages.show("f");
    await asked.answer("[]", "p1");
    pages.older();
    assert.deepEqual([asked.asked().before, asked.asked().filter], ["p1", "f"]);
    await asked.answer("[]", "p2");
    pages.older();
    await asked.answer("[]", null);
    assert.equal(asked.asked().before, "p2");
    assert.equal(pages.older(), undefined); // there is no page after the last
    pages.newer();
    assert.equal(asked.asked().before, "p1");
    await asked.answer("[]", "p2");
    pages.newest();
    assert.deepEqual(asked.asked(), { filter: "f", before: null, limit: 20 });
    await asked.answer("[]");
    assert.equal(pages.newer(), undefined);
    pages.live();
    assert.equal(pages.page, null);
    assert.equal(left(), 6); // what was open on a page is closed with it
  });

  test("from the live table older starts at its last row, or anew where that has no position", async () => {
    const { asked, pages } = start();
    pages.older(ID);
    assert.deepEqual(asked.asked(), { filter: "", before: ID, limit: 20 });
    await asked.answer("[]");
    pages.newer();
    assert.equal(asked.asked().before, null);
    pages.live();
    pages.older(null);
    assert.equal(asked.asked().before, null);
  });

  test("a refusal leaves what is shown, and is gone with the next question", async () => {
    const { asked, pages } = start();
    pages.show("bad");
    await asked.refuse("The filter is not JSON.");
    assert.deepEqual([pages.page, pages.asking, pages.problem], [null, null, "The filter is not JSON."]);
    pages.show("good");
    assert.equal(pages.problem, null);
    await asked.answer("[]");
    const shown = pages.page;
    pages.show("bad again");
    await asked.refuse("No.");
    assert.equal(pages.page, shown);
  });

  test("an answer that comes too late changes nothing", async () => {
    const { asked, pages } = start();
    pages.show("slow");
    pages.live();
    await asked.answer('[{"_id":"late"}]');
    assert.deepEqual([pages.page, pages.problem], [null, null]);
    pages.show("slow");
    pages.show("quick");
    await asked.answer('[{"_id":"quick"}]');
    await asked.answer('[{"_id":"slow"}]', null, -2);
    assert.equal(pages.page.rows[0].id, "quick");
  });

  test("parameters are encoded, and left out where nothing is asked", () => {
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
  test("keep their numbers, and are told apart even where ids are written alike", () => {
    const rows = pageRows(`[{"_id":"${ID}","n":9007199254740993,"whole":1.0},{"_id":"5"},{"_id":"5"}]`);
    assert.equal(rows[0].text, '{"n":9007199254740993,"whole":1.0}');
    assert.equal(rows[0].whole, `{"_id":"${ID}","n":9007199254740993,"whole":1.0}`);
    assert.equal(rows[0].inserted, new Date(0x01234567 * 1_000).toISOString());
    assert.equal(rows[1].inserted, null);
    assert.equal(new Set(rows.map(({ key }) => key)).size, 3);
  });
});

describe("an open row", () => {
  const live = { id: ID, document: { n: 1 }, text: '{"n":1.0}', inserted: null, truncated: false };

  test("shows a live row with its id, as the service would write it", () => {
    const held = opened(() => {});
    held.toggle(live);
    assert.equal(held.get(live).text, `{"_id":"${ID}","n":1.0}`);
    const seven = { ...live, id: "7", text: null, document: {} };
    held.toggle(seven);
    assert.equal(held.get(seven).text, '{"_id":7}');
    held.toggle(live);
    assert.equal(held.get(live), undefined);
  });

  test("asks for what was cut, and again after a failure", async () => {
    const answers = [() => Promise.reject(new Error("The service does not answer.")), () => Promise.resolve("{}")];
    const held = opened(() => {}, { fetchText: () => answers.shift()(), now: () => 7 });
    const cut = { ...live, truncated: true };
    held.toggle(cut);
    const entry = held.get(cut);
    assert.equal(entry.text, null);
    await settled();
    assert.equal(entry.problem, "The service does not answer.");
    held.again(entry);
    assert.equal(entry.problem, null);
    await settled();
    assert.deepEqual([entry.text, entry.readAt], ["{}", 7]);
  });

  test("follows its document while that changes, and keeps what was read of a cut one", async () => {
    let asked = 0;
    const held = opened(() => {}, { fetchText: () => Promise.resolve(`"read ${(asked += 1)}"`) });
    held.toggle(live);
    assert.equal(held.get({ ...live, text: '{"n":2.0}' }).text, `{"_id":"${ID}","n":2.0}`);
    assert.equal(held.get({ ...live, truncated: true }).text, null);
    await settled();
    assert.equal(held.get({ ...live, truncated: true }).text, '"read 1"');
    assert.equal(asked, 1);
    assert.equal(held.get(live).text, `{"_id":"${ID}","n":1.0}`);
  });

  test("that is closed waits for nothing", async () => {
    let signal;
    const held = opened(() => {}, { fetchText: (id, given) => ((signal = given), new Promise(() => {})) });
    held.toggle({ ...live, truncated: true });
    held.clear();
    assert.equal(signal.aborted, true);
    assert.deepEqual(held.rows(), []);
  });
});
