import { effect } from '@preact/signals'
import { render } from 'preact'
import { ConnectionBadge } from '../src/connection-badge.tsx'
import { t } from '../src/i18n.ts'
import { keyOfAddress } from '../src/links.ts'
import { PageFrame } from '../src/page-frame.tsx'
import { valueTitle } from './current-value.tsx'
import { ViewerPage } from './viewer-page.tsx'
import { type WatchedKey, watchKey } from './watched-key.ts'
import './viewer.css'

const key = keyOfAddress(location)
const watched = key === undefined ? undefined : watchKey(key)

effect(() => {
  const value = watched?.state.value ? valueTitle(watched.state.value) : undefined
  const title = key === undefined ? 'LiveKV' : t('viewer.title', { key })
  document.title = value === undefined ? title : `${value} · ${title}`
})

function Badge({ state }: { state: WatchedKey['state'] }) {
  return <ConnectionBadge shown={state.value?.json ? 'value' : 'nothing'} />
}

render(
  <PageFrame page="viewer" badge={watched && <Badge state={watched.state} />}>
    <ViewerPage keyName={key} watched={watched} />
  </PageFrame>,
  document.getElementById('page')!,
)
