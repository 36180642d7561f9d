/**
 * Records with keys from outside. `v.record` leaves out `__proto__`, `prototype` and `constructor`
 * without a word, and other names of `Object.prototype` mislead whoever looks a key up later.
 */
import * as v from 'valibot';

/** A `v.record` that refuses names of `Object.prototype`, each with its path. */
export function plainRecord<
  const K extends v.BaseSchema<string, string | number | symbol, v.BaseIssue<unknown>>,
  const V extends v.GenericSchema,
>(key: K, value: V): v.RecordSchema<K, V, undefined> {
  const schema = v.record(key, value);
  const run = schema['~run'];
  return Object.assign(schema, {
    '~run': (dataset: v.UnknownDataset, config: v.Config<v.BaseIssue<unknown>>) => {
      const input = dataset.value;
      const result = run.call(schema, dataset, config);
      if (typeof input !== 'object' || input === null) return result;
      for (const name of Object.keys(input).filter(isPrototypeName)) {
        const item = { type: 'object', origin: 'key', input, key: name, value: name } as never;
        const message = `the name ${name} is one that every object has; choose another`;
        v._addIssue(schema, 'key', result, config, { input: name, message, path: [item] });
      }
      return result;
    },
  });
}

function isPrototypeName(name: string): boolean {
  return name === 'prototype' || name in Object.prototype;
}
