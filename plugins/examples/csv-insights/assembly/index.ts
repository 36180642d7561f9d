// Describes the columns of a CSV text. Reaches nothing: the manifest has no egress rules.
import { Json, fail, inputJson, outputJson } from '@portarium/sdk/assembly';
import { Column } from './column';
import { CsvReader } from './csv';

export function summarise(): i32 {
  const input = inputJson();
  const delimiter = input.getString('delimiter', ',');
  if (delimiter.length != 1 || delimiter == '"' || delimiter == '\n' || delimiter == '\r') {
    return fail('delimiter must be one character, neither a quote nor a line end');
  }
  const reader = new CsvReader(input.getString('csv'), delimiter.charCodeAt(0));
  const header = reader.next();
  if (header === null) {
    return fail(reader.problem == '' ? 'the CSV is empty: a header is expected' : reader.problem);
  }
  const columns: Array<Column> = [];
  for (let i = 0; i < header.length; i++) {
    const name = header[i].trim();
    columns.push(new Column(name == '' ? `column ${i + 1}` : name));
  }
  let rows = 0;
  while (true) {
    const record = reader.next();
    if (record === null) break;
    if (record.length != columns.length) {
      return fail(
        `record ${reader.record} has ${record.length} fields where the header has ${columns.length}`,
      );
    }
    for (let i = 0; i < record.length; i++) columns[i].add(record[i]);
    rows++;
  }
  if (reader.problem != '') return fail(reader.problem);
  const list = Json.array();
  for (let i = 0; i < columns.length; i++) list.push(columns[i].toJson());
  outputJson(Json.object().set('rows', Json.number(rows)).set('columns', list));
  return 0;
}
