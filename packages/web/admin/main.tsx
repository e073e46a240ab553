import { effect } from '@preact/signals'
import { render } from 'preact'
import { t } from '../src/i18n.ts'
import { PageFrame } from '../src/page-frame.tsx'
import { AdminPage } from './admin-page.tsx'
import { liveEntries } from './live-entries.ts'
import './admin.css'

const entries = liveEntries()

effect(() => {
  document.title = t('admin.title')
})

render(
  <PageFrame page="admin" connection={entries.connection}>
    <AdminPage entries={entries} />
  </PageFrame>,
  document.getElementById('page')!,
)
