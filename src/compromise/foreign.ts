// Keys of other products, by the beginnings that their makers publish for scanners. The first that fits wins.

export interface Foreign {
  readonly product: string;
  readonly pattern: RegExp;
}

export const foreignKeys: readonly Foreign[] = [
  {
    product: 'GitHub',
    pattern: /^(?:gh[pousr]_[0-9A-Za-z]{10,}|github_pat_\w{10,})/,
  },
  { product: 'GitLab', pattern: /^gl(?:pat|ptt|dt|rt|soat|ft|cbt|imt|agent|oas|ffct)-[\w-]{10,}/ },
  { product: 'Stripe', pattern: /^(?:[spr]k_(?:live|test)|whsec)_[0-9A-Za-z]{8,}/ },
  { product: 'Amazon Web Services', pattern: /^A(?:KIA|SIA|BIA|CCA)[0-9A-Z]{16}/ },
  { product: 'Google Cloud', pattern: /^(?:AIza[\w-]{20,}|ya29\.[\w-]{10,}|GOCSPX-[\w-]{10,})/ },
  { product: 'Slack', pattern: /^xox[abeoprs]-[0-9A-Za-z-]{8,}/ },
  { product: 'Anthropic', pattern: /^sk-ant-[\w-]{8,}/ },
  { product: 'OpenAI', pattern: /^sk-(?:proj-|svcacct-|admin-)?[\w-]{16,}/ },
  { product: 'npm', pattern: /^npm_[0-9A-Za-z]{10,}/ },
  { product: 'PyPI', pattern: /^pypi-[\w-]{10,}/ },
  { product: 'SendGrid', pattern: /^SG\.[\w-]{10,}\.[\w-]{10,}/ },
  { product: 'Twilio', pattern: /^SK[0-9a-f]{32}$/ },
  { product: 'DigitalOcean', pattern: /^do[opr]_v1_[0-9a-f]{10,}/ },
  { product: 'Shopify', pattern: /^shp(?:at|ca|pa|ss)_[0-9a-fA-F]{10,}/ },
  { product: 'HashiCorp Vault', pattern: /^hv[bsr]\.[\w-]{10,}/ },
  { product: 'Hugging Face', pattern: /^hf_[0-9A-Za-z]{10,}/ },
  { product: 'Docker Hub', pattern: /^dckr_(?:pat|oat)_[\w-]{10,}/ },
  { product: 'Databricks', pattern: /^dapi[0-9a-f]{32}/ },
  { product: 'Atlassian', pattern: /^ATATT3[\w=-]{10,}/ },
];
