// OpenID Connect Front-Channel Logout 1.0: the addresses that a browser loads, hidden, when it has signed out.
import type { Provider } from 'oidc-provider';
import type { ClientSource } from '../client-source.ts';

export interface FrontChannelDeps {
  readonly provider: () => Provider;
  readonly clientSource: Pick<ClientSource, 'registered'>;
}

type Session = Pick<InstanceType<Provider['Session']>, 'authorizations' | 'sidFor'>;

/** Of the apps that took part in this session and asked for it: each with `iss`, and `sid` as that app knows it (§3). */
export async function framesOf(session: Session, deps: FrontChannelDeps): Promise<string[]> {
  const provider = deps.provider();
  const frames = Object.keys(session.authorizations ?? {}).map(async (clientId) => {
    const client = await provider.Client.find(clientId);
    const uri = client && deps.clientSource.registered(client).frontchannelLogoutUri;
    if (!uri) return [];
    const url = new URL(uri);
    url.searchParams.set('iss', provider.issuer);
    const sid = session.sidFor(clientId);
    if (sid) url.searchParams.set('sid', sid);
    return [url.href];
  });
  return (await Promise.all(frames)).flat();
}
