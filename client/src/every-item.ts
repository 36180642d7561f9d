/** Reads a paged list to its end. */

interface Page<T> {
  readonly items: readonly T[];
  readonly next?: string | undefined;
}

/** @param pageAt asks for one page; it gets the cursor of all but the first */
export async function* everyItem<T>(
  pageAt: (cursor: { readonly cursor?: string }) => Promise<Page<T>>,
): AsyncGenerator<T> {
  let cursor: string | undefined;
  do {
    const page = await pageAt(cursor === undefined ? {} : { cursor });
    yield* page.items;
    cursor = page.next;
  } while (cursor !== undefined);
}
