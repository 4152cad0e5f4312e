// Looks through candidates until a page is full, everything was looked at, or a request has looked at enough.

export interface Gathered<T> {
  readonly found: readonly T[];
  /** Where the next page goes on; null: everything was looked at. */
  readonly after: string | null;
}

export interface Haystack<Candidate, T> {
  /** How many candidates one request looks at, at most: a page that is not full by then says that there is more. */
  readonly mostLooks: number;
  /** The next candidates in their order, and where those after them begin; null: there are none after them. */
  next(after: string): Promise<{ candidates: readonly Candidate[]; last: string | null }>;
  /** The order of candidates. */
  keyOf(candidate: Candidate): string;
  /** Undefined when it is not among what is sought. */
  look(candidate: Candidate): Promise<T | undefined>;
}

/** How often one request asks for more candidates, at most, where few of them are worth a look. */
const MOST_STEPS = 20;
/** How many are looked at side by side; their facts are read in one statement. */
const TOGETHER = 100;

/** Finds no more than `limit`, and one more only to know whether there is a next page. */
export async function gather<Candidate, T>(
  { mostLooks, next, keyOf, look }: Haystack<Candidate, T>,
  place: { after: string; limit: number },
): Promise<Gathered<T>> {
  const found: { key: string; item: T }[] = [];
  let after = place.after;
  let looks = 0;

  const cut = (): Gathered<T> => {
    const page = found.slice(0, place.limit);
    return { found: page.map(({ item }) => item), after: page.at(-1)?.key ?? place.after };
  };

  for (let step = 0; step < MOST_STEPS; step += 1) {
    const { candidates, last } = await next(after);
    for (let at = 0; at < candidates.length; at += TOGETHER) {
      const some = candidates.slice(at, at + TOGETHER);
      for (const [place, item] of (await Promise.all(some.map(look))).entries()) {
        const candidate = some[place];
        if (item !== undefined && candidate !== undefined) found.push({ key: keyOf(candidate), item });
      }
      if (found.length > place.limit) return cut();
      looks += some.length;
      const lastLooked = some.at(-1);
      if (looks >= mostLooks && lastLooked !== undefined) {
        return { found: found.map(({ item }) => item), after: keyOf(lastLooked) };
      }
    }
    if (last === null) return { found: found.map(({ item }) => item), after: null };
    after = last;
  }
  return { found: found.map(({ item }) => item), after };
}
