/** `ETag` and `If-Match`: strong tags that are the resource's revision. */
import type { Precondition } from '../application/precondition.ts';
import { refuse } from './problems.ts';

const TAG = /^"([\x21\x23-\x7e]{1,128})"$/;

export function etag(revision: string): { readonly etag: string } {
  return { etag: `"${revision}"` };
}

/** @returns undefined without the header and for `*`; weak tags match nothing (RFC 9110, 13.1.1) */
export function preconditionOf(header: string | undefined): Precondition {
  if (header === undefined || header.trim() === '*') return undefined;
  const tags = header.split(',').map((tag) => tag.trim());
  const strong = tags.filter((tag) => !tag.startsWith('W/'));
  return strong.map((tag) => {
    const revision = TAG.exec(tag)?.[1];
    if (revision !== undefined) return revision;
    return refuse('input.invalid', 'The header If-Match is not usable.', [
      { pointer: 'If-Match', message: 'expected an entity tag in quotes, as ETag has it, or *' },
    ]);
  });
}
