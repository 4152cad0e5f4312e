// All SQL of those who are on their way to an account: rows in, records out.
import type { InvitationId, RegistrationCodeId, RegistrationId } from '../lib/ids.ts';
import type { Db } from '../platform/database/postgres.ts';
import type { Standing } from './schema.ts';

interface Row {
  id: RegistrationId;
  email: string;
  normalized: string;
  proved_at: Date | null;
  registration_code_id: RegistrationCodeId | null;
  invitation_id: InvitationId | null;
}

const COLUMNS = ['id', 'email', 'normalized', 'proved_at', 'registration_code_id', 'invitation_id'] as const;

export interface NewRegistration {
  id: RegistrationId;
  binding: Buffer;
  email: string;
  normalized: string;
  registrationCodeId: RegistrationCodeId | null;
  invitationId: InvitationId | null;
  now: Date;
  expiresAt: Date;
}

/** In place of an earlier one of the same sign-in. False: that one is an account already. */
export async function putRegistration(trx: Db, one: NewRegistration): Promise<boolean> {
  const rows = await trx('registrations')
    .insert({
      id: one.id,
      binding: one.binding,
      email: one.email,
      normalized: one.normalized,
      registration_code_id: one.registrationCodeId,
      invitation_id: one.invitationId,
      proved_at: null,
      created_at: one.now,
      expires_at: one.expiresAt,
    })
    .onConflict('binding')
    .merge()
    .whereNull('registrations.finished_at')
    .returning('id');
  return rows.length === 1;
}

export async function findStanding(db: Db, binding: Buffer, now: Date): Promise<Standing | undefined> {
  const row = await db('registrations')
    .where({ binding })
    .whereNull('finished_at')
    .where('expires_at', '>', now)
    .first<Row | undefined>(...COLUMNS);
  return row && standingOf(row);
}

/** The address is theirs: of this very registration, and not of another address that it was begun with before. */
export async function prove(
  trx: Db,
  which: { binding: Buffer; id?: RegistrationId },
  normalized: string,
  now: Date,
): Promise<boolean> {
  const rows = await trx('registrations')
    .where({ ...which, normalized })
    .whereNull('finished_at')
    .where('expires_at', '>', now)
    .update({ proved_at: now })
    .returning('id');
  return rows.length === 1;
}

/** One statement, so that of two who finish at once one makes the account. */
export async function finish(
  trx: Db,
  binding: Buffer,
  now: Date,
): Promise<(Standing & { normalized: string }) | undefined> {
  const [row] = await trx('registrations')
    .where({ binding })
    .whereNotNull('proved_at')
    .whereNull('finished_at')
    .where('expires_at', '>', now)
    .update({ finished_at: now })
    .returning([...COLUMNS]);
  return row && { ...standingOf(row), normalized: row.normalized };
}

export async function deleteBatch(
  db: Db,
  table: 'registrations' | 'registration_codes' | 'organization_invitations',
  before: Date,
  limit: number,
): Promise<number> {
  return db(table)
    .whereIn(
      'id',
      db(table).select('id').where('expires_at', '<', before).limit(limit).forUpdate().skipLocked(),
    )
    .delete();
}

function standingOf(row: Row): Standing {
  const { id, email, proved_at, registration_code_id, invitation_id } = row;
  return {
    id,
    email,
    isProved: proved_at !== null,
    registrationCodeId: registration_code_id,
    invitationId: invitation_id,
  };
}
