// What the policy needs to know of an account, in one statement and always fresh: a new rule holds at the next request.
import type { AccountId } from '../lib/ids.ts';
import { leastSeconds } from '../lib/session-life.ts';
import { isStrength, type Strength } from '../lib/strength.ts';
import type { Db } from '../platform/database/postgres.ts';
import { prepared, runPrepared } from '../platform/database/prepared.ts';
import type { AccountFacts } from './schema.ts';

interface Rule {
  acr: string | null;
  idle: number | null;
  absolute: number | null;
}

interface Row {
  admin: boolean;
  set_by_mail: boolean;
  roles: Rule[];
  organizations: Rule[];
}

function rule(of: string): string {
  return `json_build_object('acr', ${of}.required_acr, 'idle', ${of}.session_idle_seconds,
    'absolute', ${of}.session_absolute_seconds)`;
}

function hasRule(of: string): string {
  return `(${of}.required_acr is not null or ${of}.session_idle_seconds is not null
    or ${of}.session_absolute_seconds is not null)`;
}

// Roles count wherever the account has them: which organization a request is for is chosen after the sign-in.
const FACTS = prepared(
  'assurance_facts',
  `select a.admin, coalesce(p.set_by_mail, false) as set_by_mail,
     array(
       with recursive held (role_id) as (
         select r.role_id from role_assignments r
           left join organizations o on o.id = r.organization_id
           where r.subject_kind = 'account' and r.subject_id = a.id
             and (r.organization_id is null or o.status = 'active')
         union
         select r.role_id from team_members tm
           join organizations o on o.id = tm.organization_id and o.status = 'active'
           join role_assignments r on r.subject_kind = 'team' and r.subject_id = tm.team_id
           where tm.account_id = a.id
         union
         select i.parent_id from held join role_parents i on i.role_id = held.role_id
       )
       select ${rule('r')} from held join roles r on r.id = held.role_id where ${hasRule('r')}
     ) as roles,
     array(
       select ${rule('o')} from organization_members m
         join organizations o on o.id = m.organization_id and o.status = 'active'
       where m.account_id = a.id and ${hasRule('o')}
     ) as organizations
   from accounts a left join passwords p on p.account_id = a.id
   where a.id = ?`,
);

/** undefined when there is no such account. */
export async function readFacts(
  db: Db,
  accountId: AccountId,
): Promise<Omit<AccountFacts, 'factors'> | undefined> {
  const [row] = await runPrepared<Row>(db, FACTS, [accountId]);
  if (row === undefined) return undefined;
  const rules = [...row.roles, ...row.organizations];
  return {
    admin: row.admin,
    passwordSetByMail: row.set_by_mail,
    roles: strengthsOf(row.roles),
    organizations: strengthsOf(row.organizations),
    life: {
      sessionIdleSeconds: leastSeconds(rules.map(({ idle }) => idle)),
      sessionAbsoluteSeconds: leastSeconds(rules.map(({ absolute }) => absolute)),
    },
  };
}

function strengthsOf(rules: readonly Rule[]): Strength[] {
  return rules.flatMap(({ acr }) => (acr !== null && isStrength(acr) ? acr : []));
}

/** A strong sign-in is more than the mailbox: from now on a code by mail is a second step again. */
export async function forgetSetByMail(db: Db, accountId: AccountId): Promise<void> {
  await db.raw('update passwords set set_by_mail = false where account_id = ? and set_by_mail', [accountId]);
}
