// The shape of a sample: one page in one state, with a model as the server would give it.

export interface Sample {
  /** File name of the preview, and the name of the case in tests. */
  name: string;
  view: string;
  /** Null where the product's name is the title. */
  titleKey: string | null;
  model: Record<string, unknown>;
  /** Of an account page: the section that it belongs to. */
  nav?: string;
  /** Of an account page: it is one level below the page of its section. */
  within?: true;
  /** Of an account page: what has just been done, the end of a key `account.done.…`. */
  done?: string;
}

export const longName =
  'The Extraordinarily Long-Named Donaudampfschifffahrtsgesellschaftskapitänsverwaltung Planning Suite';

export const logo =
  'data:image/svg+xml,%3Csvg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 48 48"%3E%3Crect width="48" height="48" fill="%23f4b942"/%3E%3Ccircle cx="24" cy="24" r="12" fill="%23723d46"/%3E%3C/svg%3E';
