import { computed, effect, signal } from '@preact/signals'
import { remembered } from './remembered.ts'

export const THEMES = ['system', 'light', 'dark'] as const
export const theme = remembered('livekv.theme', THEMES, () => 'system')

const systemDark = matchMedia('(prefers-color-scheme: dark)')
const systemIsDark = signal(systemDark.matches)
systemDark.addEventListener('change', (event) => {
  systemIsDark.value = event.matches
})

export const isDark = computed(() => (theme.value === 'system' ? systemIsDark.value : theme.value === 'dark'))

effect(() => {
  document.documentElement.dataset.theme = isDark.value ? 'dark' : 'light'
})
