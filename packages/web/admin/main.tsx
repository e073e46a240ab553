import { effect } from '@preact/signals'
import { render } from 'preact'
import { ConnectionBadge } from '../src/connection-badge.tsx'
import { t } from '../src/i18n.ts'
import { PageFrame } from '../src/page-frame.tsx'
import { AdminPage } from './admin-page.tsx'
import { liveEntries } from './live-entries.ts'
import './admin.css'

const entries = liveEntries()

effect(() => {
  document.title = t('admin.title')
})

function Badge() {
  return <ConnectionBadge shown={entries.loaded.value ? 'values' : 'nothing'} />
}

render(
  <PageFrame page="admin" badge={<Badge />}>
    <AdminPage entries={entries} />
  </PageFrame>,
  document.getElementById('page')!,
)
