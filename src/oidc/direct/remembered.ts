// What was made from some records, kept as long as they are the same ones.

export interface Remembered<T> {
  /** `make` again when one of `basis` is another object than before. */
  of(name: string, basis: readonly unknown[], make: () => T): T;
}

export function createRemembered<T>(maximum: number): Remembered<T> {
  const entries = new Map<string, { readonly basis: readonly unknown[]; readonly value: T }>();
  return {
    of(name, basis, make) {
      const known = entries.get(name);
      if (known?.basis.length === basis.length && known.basis.every((one, at) => one === basis[at]))
        return known.value;
      const value = make();
      entries.delete(name);
      // The oldest makes room; one that is asked for often is soon back.
      const oldest = entries.size >= maximum ? entries.keys().next().value : undefined;
      if (oldest !== undefined) entries.delete(oldest);
      entries.set(name, { basis, value });
      return value;
    },
  };
}
