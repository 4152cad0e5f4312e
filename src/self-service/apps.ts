// Connected apps: what each may do in the person's name, since when, and the way to take it back.
import { z } from 'zod';
import type { Api, Apis } from '../apis/apis.ts';
import type { Client, Clients } from '../clients/clients.ts';
import type { Dates } from '../lib/dates.ts';
import { compilePermissions } from '../lib/permission.ts';
import type { ConnectedApp, Oidc } from '../oidc/oidc.ts';
import type { Organizations } from '../organizations/organizations.ts';
import { failure } from '../platform/errors.ts';
import { accountPage, type Page, type PageResult } from '../platform/http/page.ts';
import type { Translate } from '../platform/i18n.ts';
import type { Sessions } from '../sessions/sessions.ts';
import { ACCOUNT_CLIENT_ID } from './sign-in.ts';

export interface AppsDeps {
  oidc: { state: Pick<Oidc['state'], 'listApps'> };
  sessions: Pick<Sessions, 'endAll'>;
  clients: Pick<Clients, 'known' | 'find'>;
  apis: Pick<Apis, 'known'>;
  organizations: Pick<Organizations, 'known'>;
}

const APPS = '/account/apps';
const oneApp = z.object({ id: z.string().min(1).max(128) });

export function appPages(deps: AppsDeps): Page[] {
  const find = async (accountId: string, id: string) => {
    const [app] = id === ACCOUNT_CLIENT_ID ? [] : await deps.oidc.state.listApps(accountId, id);
    const client = app && (await clientOf(id, deps));
    // Also for clients that there are, but not for this person.
    if (app === undefined || client === undefined) throw failure('not_found');
    return { app, client };
  };

  return [
    accountPage({
      method: 'GET',
      path: APPS,
      limit: 'page',
      async run({ person, t, dates }) {
        const apps = await deps.oidc.state.listApps(person.accountId);
        const rows = apps
          .filter(({ clientId }) => clientId !== ACCOUNT_CLIENT_ID)
          .map(async (app) => {
            const client = await clientOf(app.clientId, deps);
            return client === undefined ? [] : [rowOf(app, client, { t, dates })];
          });
        return view('list', 'account.apps.title', { apps: (await Promise.all(rows)).flat() });
      },
    }),

    accountPage({
      method: 'GET',
      path: `${APPS}/:id`,
      limit: 'page',
      params: oneApp,
      async run({ person, params, t, dates }) {
        const { app, client } = await find(person.accountId, params.id);
        const may = await allowed(app, t, deps);
        return view('app', client.name, {
          ...shown(client, t),
          may,
          ...times(app, dates),
          path: pathOf(client),
        });
      },
    }),

    accountPage({
      method: 'GET',
      path: `${APPS}/:id/remove`,
      limit: 'page',
      params: oneApp,
      async run({ person, params, t }) {
        const { client } = await find(person.accountId, params.id);
        return view('remove', 'account.apps.remove.title', { ...shown(client, t), path: pathOf(client) });
      },
    }),

    accountPage({
      method: 'POST',
      path: `${APPS}/:id/remove`,
      limit: 'page',
      params: oneApp,
      async run({ person: { accountId }, params }) {
        const { client } = await find(accountId, params.id);
        // Out of each session that it takes part in, which it is told, with its grants, tokens and what was remembered.
        const by = { kind: 'account', id: accountId } as const;
        await deps.sessions.endAll({ accountId, clientId: client.id }, by);
        return { kind: 'redirect', to: `${APPS}?done=app-removed` };
      },
    }),
  ];
}

const pathOf = ({ id }: Client) => `${APPS}/${encodeURIComponent(id)}`;

function view(name: string, title: string, model: object): PageResult {
  return { kind: 'view', view: `self-service/apps/${name}`, title, nav: 'apps', model };
}

/** From memory, unless it is switched off. */
async function clientOf(id: string, { clients }: AppsDeps): Promise<Client | undefined> {
  return (await clients.known(id))?.client ?? clients.find(id);
}

function rowOf(app: ConnectedApp, client: Client, { t, dates }: { t: Translate; dates: Dates }) {
  const { since, used } = times(app, dates);
  return {
    app: { name: client.name, logoUri: client.logoUri },
    title: client.name,
    lines: [t('account.apps.line', { since, used })],
    ...(shown(client, t).badge && { badge: shown(client, t).badge }),
    href: pathOf(client),
  };
}

function shown(client: Client, t: Translate) {
  const badge =
    client.status === 'disabled'
      ? { kind: 'warn', text: t('account.apps.disabled') }
      : client.firstParty || client.system
        ? { kind: 'plain', text: t('account.apps.firstParty') }
        : null;
  const { name, logoUri, clientUri, policyUri, tosUri } = client;
  return { client: { name, logoUri, clientUri, policyUri, tosUri }, badge };
}

function times({ since, usedAt }: ConnectedApp, dates: Dates) {
  return { since: dates.day(since), used: dates.day(usedAt) };
}

/** In words: first what it knows of the person, then what it may do with which service, and in which organization. */
async function allowed(app: ConnectedApp, t: Translate, deps: AppsDeps) {
  const services = app.permissions.map(async ({ audience, organizationId, names }) => {
    const api = deps.apis.known(audience);
    const organization = organizationId && (await deps.organizations.known(organizationId))?.name;
    return {
      name: api?.name ?? audience,
      organization: organization ?? null,
      sentences: [
        ...new Set(names.map((name) => sentenceOf(api, name) ?? t('consent.scope.other', { scope: name }))),
      ],
    };
  });
  return {
    person: app.scopes.map((name) => t(`consent.scope.${name}`)),
    services: await Promise.all(services),
  };
}

/** Of the permission that the API registered: this very one, or the first that covers it. */
function sentenceOf(api: Api | undefined, name: string): string | undefined {
  const exact = api?.permissions.find((permission) => permission.name === name);
  const wider = () => api?.permissions.find((one) => compilePermissions([one.name]).covers(name));
  return (exact ?? wider())?.sentence;
}
