// Registration codes: whoever has one may make an account, so many times and so long as whoever made it said.
import { randomBytes } from 'node:crypto';
import type { Actor, Audit } from '../audit/audit.ts';
import { newId, parseId, type RegistrationCodeId } from '../lib/ids.ts';
import { decodeCursor, type Page, type PageRequest, pageOf } from '../lib/page.ts';
import type { Clock } from '../platform/clock.ts';
import { mapping } from '../platform/database/mapping.ts';
import type { Db, Postgres } from '../platform/database/postgres.ts';
import { failure } from '../platform/errors.ts';
import { keyedHash } from '../platform/secrets/tokens.ts';
import type { NewRegistrationCode, RegistrationCode } from './schema.ts';

export interface RegistrationCodes {
  /** The code itself is in this answer alone. Throws request_invalid for an end that has passed. */
  create(
    input: NewRegistrationCode,
    by: Actor,
  ): Promise<{ registrationCode: RegistrationCode; code: string }>;
  /** The newest first. */
  list(page: PageRequest): Promise<Page<RegistrationCode>>;
  /** Once more is no change. Throws registration_code_not_found. */
  revoke(id: string, by: Actor): Promise<RegistrationCode>;
  /** The one that was typed, if it still works; nothing is used up. */
  find(typed: string): Promise<RegistrationCodeId | undefined>;
  /** One statement: false when all uses are taken, or it ended meanwhile. */
  use(trx: Db, id: RegistrationCodeId): Promise<boolean>;
}

export interface RegistrationCodesDeps {
  postgres: Postgres;
  audit: Pick<Audit, 'record'>;
  clock: Clock;
  /** The server secret 'one-time'. */
  key: Buffer;
}

// Crockford's base 32: no I, L, O, U, so that a code survives being read aloud.
const ALPHABET = '0123456789ABCDEFGHJKMNPQRSTVWXYZ';
/** 80 bits. */
const CODE_LENGTH = 16;
const USUAL_DAYS = 30;
const DAY_MILLISECONDS = 86_400_000;

const { columns, rowOf, recordOf } = mapping<RegistrationCode>({
  id: 'plain',
  note: 'plain',
  uses: 'plain',
  maximumUses: 'plain',
  createdBy: 'plain',
  createdAt: 'plain',
  expiresAt: 'plain',
  revokedAt: 'plain',
});

export function createRegistrationCodes(deps: RegistrationCodesDeps): RegistrationCodes {
  const { postgres, audit, clock, key } = deps;
  const { db } = postgres;
  const hashOf = (code: string) => keyedHash(key, JSON.stringify(['registration-code', code]));

  return {
    async create({ maximumUses, note = null, expiresAt }, by) {
      const now = clock.now();
      if (expiresAt && expiresAt <= now) {
        throw failure('request_invalid', { fields: { expiresAt: 'This time has passed.' } });
      }
      const registrationCode: RegistrationCode = {
        id: newId('rgc'),
        note,
        uses: 0,
        maximumUses,
        createdBy: by.id === null ? by.kind : `${by.kind}:${by.id}`,
        createdAt: now,
        expiresAt:
          expiresAt === undefined ? new Date(now.getTime() + USUAL_DAYS * DAY_MILLISECONDS) : expiresAt,
        revokedAt: null,
      };
      const code = newCode();
      await postgres.transaction(async (trx) => {
        await trx('registration_codes').insert({
          ...rowOf(registrationCode),
          code_hash: hashOf(plainOf(code)),
        });
        await audit.record(trx, {
          type: 'registration-code.created',
          actor: by,
          outcome: 'success',
          target: { kind: 'registration-code', id: registrationCode.id },
          details: { maximumUses, expiresAt: registrationCode.expiresAt?.toISOString() ?? null },
        });
      });
      return { registrationCode, code };
    },

    async list({ limit, cursor }) {
      const before = cursor === null ? undefined : cursorId(cursor);
      const query = db('registration_codes')
        .select(columns)
        .orderBy('id', 'desc')
        .limit(limit + 1);
      if (before !== undefined) query.where('id', '<', before);
      return pageOf((await query).map(recordOf), limit, ({ id }) => [id]);
    },

    async revoke(id, by) {
      const parsed = parseId('rgc', id);
      return postgres.transaction(async (trx) => {
        const [row] = await trx('registration_codes')
          .where({ id: parsed ?? '' })
          .whereNull('revoked_at')
          .update({ revoked_at: clock.now() })
          .returning(columns);
        if (row !== undefined) {
          await audit.record(trx, {
            type: 'registration-code.revoked',
            actor: by,
            outcome: 'success',
            target: { kind: 'registration-code', id },
          });
        }
        const found =
          row ??
          (await trx('registration_codes')
            .where({ id: parsed ?? '' })
            .first(columns));
        if (found === undefined) throw failure('registration_code_not_found', { id });
        return recordOf(found);
      });
    },

    async find(typed) {
      const plain = plainOf(typed.slice(0, 100));
      const [id] = await working(db, clock.now())
        .where({ code_hash: hashOf(plain) })
        .pluck('id');
      return id;
    },

    async use(trx, id) {
      const rows = await working(trx, clock.now()).where({ id }).increment('uses').returning('id');
      return rows.length === 1;
    },
  };
}

function working(db: Db, now: Date) {
  return db('registration_codes')
    .whereNull('revoked_at')
    .whereRaw('uses < maximum_uses')
    .where((either) => either.whereNull('expires_at').orWhere('expires_at', '>', now));
}

function newCode(): string {
  const letters = [...randomBytes(CODE_LENGTH)].map((byte) => ALPHABET[byte & 31]).join('');
  return (letters.match(/.{4}/g) ?? []).join('-');
}

/** As it is compared: whatever letters look like others are those. */
function plainOf(typed: string): string {
  return typed
    .normalize('NFKC')
    .toUpperCase()
    .replaceAll(/[^0-9A-Z]/g, '')
    .replaceAll('O', '0')
    .replaceAll(/[IL]/g, '1');
}

function cursorId(cursor: string): RegistrationCodeId {
  const [id] = decodeCursor(cursor, 1) ?? [];
  const parsed = id === undefined ? undefined : parseId('rgc', id);
  if (parsed === undefined) {
    throw failure('request_invalid', { fields: { cursor: 'The cursor is not one of this list.' } });
  }
  return parsed;
}
