// All SQL of the table access_resources: rows in, records out.
import type { OrganizationId } from '../lib/ids.ts';
import { type Batch, createBatch } from '../platform/database/batch.ts';
import { mapping } from '../platform/database/mapping.ts';
import type { Db } from '../platform/database/postgres.ts';

export type Properties = Readonly<Record<string, unknown>>;

/** Which resource: null stands for the ones that are known everywhere. */
export interface ResourceName {
  readonly organizationId: string | null;
  readonly type: string;
  readonly id: string;
}

export interface RegisteredResource extends ResourceName {
  readonly organizationId: OrganizationId | null;
  readonly properties: Properties;
  readonly version: number;
  readonly createdAt: Date;
  readonly updatedAt: Date;
}

const { columns, recordOf } = mapping<RegisteredResource>({
  organizationId: 'plain',
  type: 'plain',
  id: 'plain',
  properties: 'json',
  version: 'plain',
  createdAt: 'plain',
  updatedAt: 'plain',
});

const COLUMNS = columns.map((column) => `r.${column}`).join(', ');
const NAMED = `coalesce(r.organization_id, '') = :organization and r.type = :type and r.id = :id`;

/** One statement for any number; each name at most once. Those that already say the same are left out of the answer. */
export async function upsertResources(
  db: Db,
  organizationId: string | null,
  resources: readonly { type: string; id: string; properties: Properties }[],
  now: Date,
): Promise<{ resource: RegisteredResource; made: boolean }[]> {
  const { rows } = await db.raw<{ rows: (Record<string, unknown> & { made: boolean })[] }>(
    `insert into access_resources as r (organization_id, type, id, properties, created_at, updated_at)
       select :organizationId, given.type, given.id, given.properties, :now, :now
       from jsonb_to_recordset(:given) as given (type text, id text, properties jsonb)
       order by given.type, given.id
     on conflict (coalesce(organization_id, ''), type, id) do update
       set properties = excluded.properties, version = r.version + 1, updated_at = excluded.updated_at
       where r.properties is distinct from excluded.properties
     returning ${COLUMNS}, r.version = 1 as made`,
    { organizationId, now, given: JSON.stringify(resources) },
  );
  return rows.map((row) => ({ resource: recordOf(row), made: row.made }));
}

export async function findResource(
  db: Db,
  name: ResourceName,
  lock: '' | 'for update' = '',
): Promise<RegisteredResource | undefined> {
  const { rows } = await db.raw<{ rows: Record<string, unknown>[] }>(
    `select ${COLUMNS} from access_resources r where ${NAMED} ${lock}`,
    named(name),
  );
  return rows[0] === undefined ? undefined : recordOf(rows[0]);
}

export async function deleteResource(db: Db, name: ResourceName): Promise<void> {
  await db.raw(`delete from access_resources r where ${NAMED}`, named(name));
}

/** In the order of type and id. */
export async function listResources(
  db: Db,
  filter: { organizationId: string | null; type?: string | undefined },
  after: { type: string; id: string } | undefined,
  limit: number,
): Promise<RegisteredResource[]> {
  const { rows } = await db.raw<{ rows: Record<string, unknown>[] }>(
    `select ${COLUMNS} from access_resources r
     where coalesce(r.organization_id, '') = :organization
       ${filter.type === undefined ? '' : 'and r.type = :type'}
       ${after === undefined ? '' : 'and (r.type, r.id) > (:afterType, :afterId)'}
     order by r.type, r.id limit :limit`,
    {
      organization: filter.organizationId ?? '',
      limit,
      ...(filter.type === undefined ? {} : { type: filter.type }),
      ...(after === undefined ? {} : { afterType: after.type, afterId: after.id }),
    },
  );
  return rows.map(recordOf);
}

/** Those that count in the organization, in the order of ids; what is known everywhere comes before its own. */
export async function resourcesOfType(
  db: Db,
  question: { organizationId: string | null; type: string; after: string; limit: number },
): Promise<{ id: string; properties: Properties }[]> {
  const part = (organization: string) =>
    `(select r.id, r.properties, r.organization_id from access_resources r
      where coalesce(r.organization_id, '') = ${organization} and r.type = :type and r.id > :after
      order by r.id limit :limit)`;
  const { organizationId, ...others } = question;
  const { rows } = await db.raw<{ rows: { id: string; properties: Properties }[] }>(
    `select distinct on (one.id) one.id, one.properties
     from (${part(`''`)} ${organizationId === null ? '' : `union all ${part(':organizationId')}`}) as one
     order by one.id, one.organization_id nulls first limit :limit`,
    organizationId === null ? others : { ...others, organizationId },
  );
  return rows;
}

/** The properties of many in one statement. */
export function createKnownProperties(db: Db): Batch<ResourceName, Properties | undefined> {
  return createBatch({
    inFlight: 2,
    companyMilliseconds: 1,
    async run(names) {
      const { rows } = await db
        .raw<{ rows: { place: string; properties: Properties }[] }>(
          `select asked.place, r.properties
           from unnest(?::text[], ?::text[], ?::text[]) with ordinality as asked (organization, type, id, place)
           join access_resources r
             on coalesce(r.organization_id, '') = asked.organization and r.type = asked.type and r.id = asked.id`,
          [
            names.map(({ organizationId }) => organizationId ?? ''),
            names.map(({ type }) => type),
            names.map(({ id }) => id),
          ],
        )
        .options({ name: 'known_resources' });
      const found = new Map(rows.map(({ place, properties }) => [Number(place), properties]));
      return names.map((_name, at) => found.get(at + 1));
    },
  });
}

function named({ organizationId, type, id }: ResourceName) {
  return { organization: organizationId ?? '', type, id };
}
