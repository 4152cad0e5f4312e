// Your data: a copy of everything, and the deletion of the account.
import { z } from 'zod';
import type { Account, Accounts } from '../accounts/accounts.ts';
import type { Audit } from '../audit/audit.ts';
import type { Deletion } from '../deletion/deletion.ts';
import { normalizeIdentifier } from '../lib/identifiers.ts';
import type { Organizations } from '../organizations/organizations.ts';
import { AppError, failure } from '../platform/errors.ts';
import { accountPage, type Page, type PageResult } from '../platform/http/page.ts';
import type { OwnArea } from './area.ts';
import { type ExportDeps, exportOf } from './export.ts';

export interface DataDeps extends ExportDeps {
  accounts: Pick<Accounts, 'find' | 'profile'>;
  accountOf: OwnArea['accountOf'];
  organizations: Pick<Organizations, 'organizationsOf' | 'membershipsOf'>;
  deletion: Pick<Deletion, 'graceDays' | 'request' | 'keep'>;
  audit: Pick<Audit, 'stream' | 'append'>;
}

const DATA = '/account/data';
const DELETE = `${DATA}/delete`;

const Confirmation = z.object({ name: z.string().trim().min(1, 'data.delete.error').max(254) });

export function dataPages(deps: DataDeps): Page[] {
  return [overview(deps), exporting(deps), ...deleting(deps), keeping(deps)];
}

function overview({ accountOf, deletion }: DataDeps): Page {
  return accountPage({
    method: 'GET',
    path: DATA,
    limit: 'page',
    run({ person, dates }) {
      const { deleteAt } = accountOf(person);
      return view('overview', 'data.title', {
        deleteAt: deleteAt && dates.moment(deleteAt),
        days: deletion.graceDays,
      });
    },
  });
}

function exporting(deps: DataDeps): Page {
  return accountPage({
    method: 'POST',
    path: `${DATA}/export`,
    limit: 'page',
    sensitive: true,
    async run({ person: { accountId } }) {
      const by = { kind: 'account', id: accountId } as const;
      await deps.audit.append({ type: 'account.exported', actor: by, outcome: 'success', accountId });
      const name = `account-${new Date().toISOString().slice(0, 10)}.json`;
      return { kind: 'download', name, type: 'application/json', parts: exportOf(accountId, deps) };
    },
  });
}

function deleting(deps: DataDeps): Page[] {
  const { accounts, organizations, deletion } = deps;

  async function show(
    account: Account,
    shown: { error?: string; status?: number } = {},
  ): Promise<PageResult> {
    const memberships = await organizations.membershipsOf(account.id);
    return view(
      'delete',
      'data.delete.title',
      {
        called: calledBy(account),
        days: deletion.graceDays,
        organizations: memberships.map(({ name }) => name),
        fieldErrors: { name: shown.error ?? null },
      },
      shown.status,
    );
  }

  async function found(accountId: string): Promise<Account> {
    const account = await accounts.find(accountId);
    if (account === undefined) throw failure('account_not_found');
    return account;
  }

  return [
    accountPage({
      method: 'GET',
      path: DELETE,
      limit: 'page',
      sensitive: true,
      run: async ({ person }) => show(await found(person.accountId)),
    }),
    accountPage({
      method: 'POST',
      path: DELETE,
      limit: 'page',
      sensitive: true,
      form: Confirmation,
      async run({ person, form }) {
        const account = await found(person.accountId);
        if (form === undefined || folded(form.name) !== folded(calledBy(account))) {
          return show(account, { error: 'data.delete.error', status: 400 });
        }
        try {
          await deletion.request(account.id);
        } catch (error) {
          if (!(error instanceof AppError) || error.code !== 'last_admin') throw error;
          return show(account, { error: 'data.delete.lastAdmin', status: 409 });
        }
        return { kind: 'redirect', to: '/keep-account/begun' };
      },
    }),
  ];
}

function keeping({ deletion }: DataDeps): Page {
  return accountPage({
    method: 'POST',
    path: `${DATA}/keep`,
    limit: 'page',
    async run({ person: { accountId } }) {
      await deletion.keep(accountId, { kind: 'account', id: accountId });
      return { kind: 'redirect', to: `${DATA}?done=account-kept` };
    },
  });
}

/** What is typed to show that it is meant. */
function calledBy({ email, username, id }: Account): string {
  return email ?? username ?? id;
}

function folded(text: string): string {
  return normalizeIdentifier(text) ?? text;
}

function view(name: string, title: string, model: object, status = 200): PageResult {
  return { kind: 'view', view: `self-service/your-data/${name}`, title, nav: 'data', status, model };
}
