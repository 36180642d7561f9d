import { inputJson, Json, log, outputJson } from '@portarium/sdk/assembly';

export function greet(): i32 {
  const name = inputJson().getString('name', 'nobody');
  log('greets ' + name);
  outputJson(Json.object().set('greeting', Json.string('Hello, ' + name + '!')));
  return 0;
}
