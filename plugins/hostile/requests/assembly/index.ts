// Sends the requests of a script, one after the other, exactly as they are written.
import { Header, Json, http, inputJson, outputJson } from '@portarium/sdk/assembly';

/** The script is JSON inside a string: so it may hold what no input of an action may, such as NUL. */
export function send(): i32 {
  const script = Json.parse(inputJson().getString('script'));
  if (script === null) throw new Error('the script is not JSON: ' + Json.problem());
  const answers = Json.array();
  for (let i = 0; i < script.length; i++) {
    const request = script.at(i);
    const headers: Array<Header> = [];
    const given = request.get('headers');
    if (given !== null) {
      for (let j = 0; j < given.length; j++) {
        headers.push(new Header(given.at(j).at(0).str, given.at(j).at(1).str));
      }
    }
    const body = request.getString('body');
    const answer = http.request(
      request.getString('method'),
      request.getString('url'),
      headers,
      body == '' ? null : body,
    );
    answers.push(
      Json.object()
        .set('status', Json.number(answer.status))
        .set('body', Json.string(answer.body.substring(0, 4096))),
    );
  }
  outputJson(answers);
  return 0;
}
