// Many changes of engine state and their events in one statement, so in one commit: the shape that all of its tables share.
import { type EventRow, eventJson, eventRow, type NewEvent } from '../../audit/audit.ts';
import { type Batch, createBatch } from '../../platform/database/batch.ts';
import type { Db } from '../../platform/database/postgres.ts';
import { prepared, runPrepared } from '../../platform/database/prepared.ts';

/**
 * Reads by id or hash, of many requests in one statement. `sql` has one placeholder, for the array of them. Who asks for an id
 * that still waits for its statement shares the answer: the engine looks a token up as three kinds at once.
 */
export function createReadBatch<Id extends string | Buffer, Row>(
  db: Db,
  shape: { name: string; sql: string; idOf: (row: Row) => Id },
): { run(id: Id): Promise<Row | undefined> } {
  const keyOf = (id: Id) => (typeof id === 'string' ? id : id.toString('latin1'));
  const statement = prepared(shape.name, shape.sql);
  const asked = new Map<string, Promise<Row | undefined>>();
  const batch = createBatch<Id, Row | undefined>({
    inFlight: 2,
    companyMilliseconds: READ_COMPANY_MILLISECONDS,
    async run(ids) {
      // From here on the statement may have looked before somebody asks.
      asked.clear();
      const rows = await runPrepared<Row>(db, statement, [ids]);
      const byKey = new Map(rows.map((row) => [keyOf(shape.idOf(row)), row]));
      return ids.map((id) => byKey.get(keyOf(id)));
    },
  });
  return {
    run(id) {
      const key = keyOf(id);
      const answer = asked.get(key) ?? batch.run(id);
      asked.set(key, answer);
      return answer;
    },
  };
}

/** One row of a change; `key` names it (an id, or a hash in base64), the other columns are those of the shape's record. */
export interface Given {
  readonly key: string;
  readonly [column: string]: string | number | boolean | null;
}

export interface ChangeShape {
  /** Part of the names of its prepared statements. */
  readonly name: string;
  /** The columns of `given` beside `key`, with their types. */
  readonly record?: string;
  /**
   * Data-modifying SQL that reads `given` and ends in `returning … as key`. `wait` is `nowait` where several rows change
   * together: a statement that holds locks of some may not wait for others, or two of them could wait for each other.
   */
  change(wait: '' | 'nowait'): string;
  /** A condition on `given`: rows of which the event is not written. */
  readonly eventUnless?: string;
}

export interface Change {
  readonly given: Given;
  readonly event: EventRow | undefined;
}

export function changeOf(given: Given, event: NewEvent | undefined): Change {
  return { given, event: event && eventRow(event, new Date()) };
}

/** Answers, for each change, whether it touched its row. */
export function createChangeBatch(db: Db, shape: ChangeShape): Batch<Change, boolean> {
  const { name } = shape;
  const forms = {
    one: prepared(`${name}_one_told`, sqlOf(shape, '', true)),
    many: prepared(`${name}_many_told`, sqlOf(shape, 'nowait', true)),
  };
  const silent = {
    one: prepared(`${name}_one`, sqlOf(shape, '', false)),
    many: prepared(`${name}_many`, sqlOf(shape, 'nowait', false)),
  };
  return createBatch({
    inFlight: 2,
    companyMilliseconds: WRITE_COMPANY_MILLISECONDS,
    keyOf: ({ given }) => given.key,
    async run(changes) {
      const many = changes.length > 1 ? 'many' : 'one';
      const told = changes.some(({ event }) => event !== undefined);
      const text = `[${changes.map(changeText).join(',')}]`;
      const rows = await runPrepared<{ key: string }>(db, (told ? forms : silent)[many], [text]);
      const touched = new Set(rows.map(({ key }) => key));
      return changes.map(({ given }) => touched.has(given.key));
    },
  });
}

// Several statements one after the other make up a request: each of them may only wait a little for company.
const READ_COMPANY_MILLISECONDS = 1;
/** A commit also costs a write to disk. */
export const WRITE_COMPANY_MILLISECONDS = 2;

function sqlOf(shape: ChangeShape, wait: '' | 'nowait', told: boolean): string {
  const unless = shape.eventUnless ? `and not (${shape.eventUnless})` : '';
  const ledger = `, ledger as (insert into audit_events (${eventJson.columns})
    select told.* from changed join given using (key)
      cross join lateral json_to_record(given.event) as told(${eventJson.record})
    where given.event is not null ${unless})`;
  const record = ['key text', ...(shape.record ? [shape.record] : []), 'event json'].join(', ');
  return `with given as materialized (select * from json_to_recordset(?::json) as given(${record})),
    ${shape.change(wait)}
    ${told ? ledger : ''}
    select key from changed`;
}

function changeText({ given, event }: Change): string {
  const text = JSON.stringify(given);
  return event ? `${text.slice(0, -1)},"event":${eventJson.text(event)}}` : text;
}
