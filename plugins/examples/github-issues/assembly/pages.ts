// Pages of a list (https://docs.github.com/en/rest/using-the-rest-api/using-pagination-in-the-rest-api).
// GitHub's links name a repository by its number, which no rule allows: only their `page` and `after` are
// taken, and the path stays the one that was asked for.
import { Json } from '@portarium/sdk/assembly';

/** Where a list goes on: an object with `page`, `after` or both, or neither for its beginning. */
export function cursorOf(input: Json): Json {
  const cursor = Json.object();
  const page = <i64>input.getNumber('page');
  if (page > 0) cursor.set('page', Json.number(<f64>page));
  const after = input.getString('after');
  if (after != '') cursor.set('after', Json.string(after));
  return cursor;
}

export function queryOf(input: Json, cursor: Json): string {
  let query = 'state=' + input.getString('state', 'open');
  query += '&per_page=' + (<i32>input.getNumber('perPage', 30)).toString();
  const labels = input.get('labels');
  if (labels !== null && labels.length > 0) {
    const names: string[] = [];
    for (let i = 0; i < labels.length; i++) names.push(labels.at(i).str);
    query += '&labels=' + encodeURIComponent(names.join(','));
  }
  const page = <i64>cursor.getNumber('page');
  if (page > 0) query += '&page=' + page.toString();
  const after = cursor.getString('after');
  if (after != '') query += '&after=' + encodeURIComponent(after);
  return query;
}

/** What `rel="next"` of a `link` header leads to, or null on the last page. */
export function nextOf(link: string): Json | null {
  const links = link.split(',');
  for (let i = 0; i < links.length; i++) {
    const parts = links[i].split(';');
    let isNext = false;
    for (let j = 1; j < parts.length; j++) isNext = isNext || parts[j].trim() == 'rel="next"';
    const target = parts[0].trim();
    if (!isNext || !target.startsWith('<') || !target.endsWith('>')) continue;
    const cursor = cursorOfQuery(target.substring(target.indexOf('?') + 1, target.length - 1));
    // A link that says neither would lead back to the beginning.
    return cursor.length == 0 ? null : cursor;
  }
  return null;
}

function cursorOfQuery(query: string): Json {
  const given = Json.object();
  const pairs = query.split('&');
  for (let i = 0; i < pairs.length; i++) {
    const at = pairs[i].indexOf('=');
    if (at < 0) continue;
    const value = pairs[i].substring(at + 1);
    const name = pairs[i].substring(0, at);
    if (name == 'page') given.set('page', Json.number(parseInt(value)));
    if (name == 'after') given.set('after', Json.string(decodeURIComponent(value)));
  }
  return cursorOf(given);
}
