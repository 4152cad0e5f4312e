// What a copy says about itself: the header in front of the rows, the ending behind them, and the shape both kinds of source share.
import { z } from 'zod';
import type { TableSum } from './sums.ts';

/** Raised when the layout changes in a way that an older release cannot read. */
export const FORMAT = 1;

// They become part of statements, so nothing but what our migrations use.
const Identifier = z.string().regex(/^[a-z_][a-z0-9_]{0,62}$/);
const Bound = z.string().regex(/^FOR VALUES FROM \('[0-9TZ:+. -]+'\) TO \('[0-9TZ:+. -]+'\)$/);

export const Header = z.object({
  format: z.literal(FORMAT),
  release: z.string(),
  createdAt: z.iso.datetime(),
  postgres: z.string(),
  /** In the order in which they ran. */
  migrations: z.array(z.string()),
  /** Which master keys its secrets are sealed under: says nothing about the keys themselves. */
  masterKeys: z.array(z.string()),
  tables: z.array(
    z.object({
      name: Identifier,
      columns: z.array(Identifier),
      partitions: z.array(z.object({ name: Identifier, bound: Bound })),
    }),
  ),
  /** Tables whose rows last for minutes and are not in the copy. */
  leftOut: z.array(Identifier),
});
export type Header = z.output<typeof Header>;

export const Sum = z.object({ rows: z.number().int().min(0), sha256: z.string().regex(/^[0-9a-f]{64}$/) });

/** The start of each table in the copy. */
export const TableStart = Header.shape.tables.element.omit({ partitions: true });

export const Ending = z.object({
  sequences: z.array(z.object({ name: Identifier, last: z.string().regex(/^-?\d+$/), called: z.boolean() })),
  /** Over every frame before this one. */
  sha256: z.string(),
});
export type Ending = z.output<typeof Ending>;

export interface SourceTable {
  readonly name: string;
  readonly columns: readonly string[];
  /** Read it to its end before the next table; throws when it ends before its time or is not what was written. */
  readonly rows: AsyncIterable<Buffer>;
  /** Of the rows, once they were read. */
  sum(): TableSum;
}

/** A file or a database: tables in an order in which they can be written, then what closes them. */
export interface CopySource {
  readonly header: Header;
  tables(): AsyncGenerator<SourceTable>;
  /** After the last table. */
  ending(): Promise<Pick<Ending, 'sequences'>>;
}

/** A table that was copied whole. */
export interface CopiedTable extends TableSum {
  readonly name: string;
}

export type OnTable = (table: CopiedTable) => void;
