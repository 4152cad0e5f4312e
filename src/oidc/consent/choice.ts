// In which organization a request acts: the one that the app names, the one that the person chooses, or the only one there is.
// Pure: what is known goes in, and out comes an organization, a question, or a refusal.

/** The id of an organization; null for none of them. */
export type OrganizationChoice = string | null;

export interface Situation {
  /** `organization_id` of the request. */
  readonly named: string | undefined;
  /** Chosen on the page for this request; undefined as long as nobody was asked. */
  readonly chosen: OrganizationChoice | undefined;
  /** Chosen before, in this session, for this client. */
  readonly before: OrganizationChoice | undefined;
  /** `prompt=select_organization`: the app wants the question asked. */
  readonly wanted: boolean;
  readonly memberships: readonly string[];
  /** Whether permissions of an API are asked for. */
  readonly asksApi: boolean;
  /** Where something of that could be granted. */
  readonly useful: readonly OrganizationChoice[];
  /** Whether they are those of the server's own API, where an organization takes reach away. */
  readonly asksServer: boolean;
}

export type Chosen =
  /** undefined: it was no question. */
  | { readonly kind: 'clear'; readonly organizationId: OrganizationChoice | undefined }
  | { readonly kind: 'open'; readonly among: readonly OrganizationChoice[] }
  /** Named, and none of the person's; whether it exists is not told. */
  | { readonly kind: 'foreign' };

export function chooseOrganization(situation: Situation): Chosen {
  const { named, chosen, before, memberships, useful, asksApi } = situation;
  const isOwn = (id: OrganizationChoice) => id === null || memberships.includes(id);
  if (named !== undefined && !isOwn(named)) return { kind: 'foreign' };
  if (chosen !== undefined && isOwn(chosen)) return clear(chosen);
  const among = asksApi ? useful : [...memberships, null];
  if (situation.wanted && among.some((id) => id !== null)) return { kind: 'open', among };
  if (named !== undefined) return clear(named);
  const stillServes = before !== undefined && isOwn(before) && (!asksApi || useful.includes(before));
  if (stillServes) return clear(before);
  if (!asksApi) return clear(undefined);
  if (memberships.length > 1 && useful.length > 1) return { kind: 'open', among };
  // A token of an organization reaches only that one at the management API: who may act beyond it is not fenced in unasked.
  if (situation.asksServer && useful.includes(null)) return clear(undefined);
  return clear(useful.find((id) => id !== null));
}

function clear(organizationId: OrganizationChoice | undefined): Chosen {
  return { kind: 'clear', organizationId };
}
