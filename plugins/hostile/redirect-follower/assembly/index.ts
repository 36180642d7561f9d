// Fetches the address it is given and tells what came back.
import { Json, http, inputJson, outputJson } from '@portarium/sdk/assembly';

export function fetch_url(): i32 {
  const response = http.get(inputJson().getString('url'));
  outputJson(
    Json.object()
      .set('status', Json.number(response.status))
      .set('body', Json.string(response.body.substring(0, 200))),
  );
  return 0;
}
